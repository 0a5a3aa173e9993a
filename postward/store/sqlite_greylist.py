"""Greylisting in memory, read through from SQLite and written behind.

A meeting answers from memory; a key that is not there is read from the file once. What changed is
written within `BEHIND` seconds, so that the death of the process forgets at most that much: a client
waits once more, nothing worse. Within one process all racing first meetings get the same first time;
two processes may differ by `BEHIND`. While the file is in trouble, known keys go on from memory, and
new ones too, until it cannot be known any more whether they are new: then `StoreDown`.
"""

import sqlite3
from collections.abc import Mapping
from typing import Any

from postward.state import Meeting, StoreDown
from postward.store import triplets
from postward.store.behind import MOST_UNWRITTEN, Behind
from postward.store.database import write_rows
from postward.store.generations import Generations
from postward.store.reader import Reader
from postward.store.text import stored_key
from postward.store.timeline import Timeline
from postward.store.writer import Writer

MAX_ENTRIES = 200_000
"""Entries in memory; about 0.17 kB each."""
MAX_ROWS = 2_000_000
"""Rows in the file; beyond that those that expire first go early."""
_AT_ONCE = 500

_FIND = "SELECT first, last, expires, attempts, passed FROM greylist WHERE key = ?"
_WRITE = (
    "INSERT INTO greylist (key, first, last, expires, attempts, passed) VALUES {}"
    " ON CONFLICT (key) DO UPDATE SET first = excluded.first, last = max(last, excluded.last),"
    " expires = excluded.expires, attempts = excluded.attempts, passed = excluded.passed"
)
_FORGET = (
    "DELETE FROM greylist WHERE key IN (SELECT key FROM greylist WHERE expires < ? ORDER BY expires LIMIT ?)"
)
_ANY_TIME = 2**62


class SqliteGreylist:
    """`postward.tools.Greylist`."""

    def __init__(
        self, writer: Writer, reader: Reader, timeline: Timeline, *, entries: int = MAX_ENTRIES
    ) -> None:
        self._reader = reader
        self._timeline = timeline
        self._entries: Generations[bytes] = Generations(entries)
        self._behind: Behind[bytes, None] = Behind(writer, self, "greylist")

    async def meet(self, key: str, *, now: float, delay: float, window: float, keep: float) -> Meeting:
        mark = hash(key)
        entry = self._entries.get(mark)
        if entry is None:  # new, or not stored as it is
            key = stored_key(key)
            mark = hash(key)
            entry = self._entries.get(mark) or await self._recall(key, mark)
        at = int(self._timeline.at(now) * 1000)
        entry, meeting = triplets.meet(entry, at, delay, window, keep)
        self._entries.put(mark, entry)
        self._behind.put(key, entry)
        return meeting

    def flush(self) -> None:
        """Hand over what is not written yet; for a store that closes (`Writer.close` waits for it)."""
        self._behind.flush()

    async def _recall(self, key: str, mark: int) -> bytes | None:
        """What was written of `key`, which is not in memory."""
        entry = self._behind.pending(key)
        if entry is not None:
            return entry
        if len(self._behind) >= MOST_UNWRITTEN:
            raise StoreDown("too many new keys wait for the disk")
        rows = self._reader.rows(_FIND, (key,))
        if rows is None:
            rows = await self._reader.wait_for_rows(_FIND, (key,))
            entry = self._entries.get(mark)  # another meeting may have been faster
            if entry is not None:
                return entry
        return triplets.pack(*rows[0]) if rows else None

    # --- Writing behind --------------------------------------------------------------------------
    def add_up(self, older: bytes, newer: bytes) -> bytes:
        return newer

    def write(self, connection: sqlite3.Connection, noted: Mapping[str, bytes]) -> dict[str, None]:
        values: list[Any] = []
        for key, entry in noted.items():
            values.append(key)
            values += triplets.unpack(entry)
        write_rows(connection, _WRITE, values, 6)
        return {}

    def written(self, rows: Mapping[str, None], read: float) -> None:
        """Memory has it."""


def forget(connection: sqlite3.Connection, at: int) -> bool:
    """Delete some of what has expired at `at` (ms), or is too much; True when there may be more. A chore."""
    gone = connection.execute(_FORGET, (at, _AT_ONCE)).rowcount
    if gone:
        return gone == _AT_ONCE
    (rows,) = connection.execute("SELECT count(*) FROM greylist").fetchone()
    return rows > MAX_ROWS and connection.execute(_FORGET, (_ANY_TIME, _AT_ONCE)).rowcount > 0
