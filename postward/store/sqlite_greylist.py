"""Greylisting in memory, read through from SQLite and written behind.

A meeting answers from memory; a key that is not there is read from the file once. What changed is
written within `BEHIND` seconds, so that the death of the process forgets at most that much: a client
waits once more, nothing worse. Within one process all racing first meetings get the same first time;
two processes may differ by `BEHIND`. While the file is in trouble, known keys go on from memory, and
new ones too, until it cannot be known any more whether they are new: then `StoreDown`.
"""

import asyncio
import itertools
import sqlite3
from typing import Any

from postward.state import Meeting, StoreDown
from postward.store import triplets
from postward.store.database import write_rows
from postward.store.generations import Generations
from postward.store.reader import Reader
from postward.store.text import stored_key
from postward.store.timeline import Timeline
from postward.store.writer import Job, Writer

MAX_ENTRIES = 200_000
"""Entries in memory; about 0.17 kB each."""
MAX_ROWS = 2_000_000
"""Rows in the file; beyond that those that expire first go early."""
BEHIND = 0.15
_AGAIN = 1.0
_MOST_UNWRITTEN = 50_000
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
        self._writer = writer
        self._reader = reader
        self._timeline = timeline
        self._entries: Generations[bytes] = Generations(entries)
        self._unwritten: dict[str, bytes] = {}
        self._on_their_way: dict[str, bytes] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._armed = False

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
        self._unwritten[key] = entry
        if not self._armed or self._loop is not asyncio.get_running_loop():
            self._arm(BEHIND)
        return meeting

    def flush(self) -> None:
        """Hand over what is not written yet; for a store that closes (`Writer.close` waits for it)."""
        if self._unwritten or self._on_their_way:
            self._writer.leave(_Touched(self, self._on_their_way | self._unwritten))
            self._unwritten = {}

    async def _recall(self, key: str, mark: int) -> bytes | None:
        """What was written of `key`, which is not in memory."""
        entry = self._unwritten.get(key) or self._on_their_way.get(key)
        if entry is not None:
            return entry
        if len(self._unwritten) >= _MOST_UNWRITTEN:
            raise StoreDown("too many new keys wait for the disk")
        rows = self._reader.rows(_FIND, (key,))
        if rows is None:
            rows = await self._reader.wait_for_rows(_FIND, (key,))
            entry = self._entries.get(mark)  # another meeting may have been faster
            if entry is not None:
                return entry
        return triplets.pack(*rows[0]) if rows else None

    def _arm(self, seconds: float) -> None:
        """Write in a while. What was on its way when an event loop ended begins anew on the next."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop = loop
            self._unwritten = self._on_their_way | self._unwritten
            self._on_their_way = {}
        self._armed = True
        loop.call_later(seconds, self._write_behind)

    def _write_behind(self) -> None:
        self._armed = False
        if self._on_their_way:  # the disk is slow: one batch at a time
            self._arm(BEHIND)
            return
        rows, self._unwritten = self._unwritten, {}
        self._on_their_way = rows
        try:
            self._writer.submit(_Touched(self, rows))
        except StoreDown:
            self._written(rows, failed=True)

    def _written(self, rows: dict[str, bytes], *, failed: bool) -> None:
        """The batch has ended. If it failed its rows wait for the next try, newer ones first."""
        self._on_their_way = {}
        if failed:
            most = max(0, _MOST_UNWRITTEN - len(self._unwritten))
            self._unwritten = dict(itertools.islice(rows.items(), most)) | self._unwritten
            if not self._armed:
                self._arm(_AGAIN)


class _Touched(Job):
    """A batch of entries to write."""

    __slots__ = ("_greylist", "_rows")

    def __init__(self, greylist: SqliteGreylist, rows: dict[str, bytes]) -> None:
        self._greylist = greylist
        self._rows = rows

    def work(self, connection: sqlite3.Connection) -> None:
        values: list[Any] = []
        for key, entry in self._rows.items():
            values.append(key)
            values += triplets.unpack(entry)
        write_rows(connection, _WRITE, values, 6)

    def end(self, error: StoreDown | None) -> None:
        self._greylist._written(self._rows, failed=error is not None)


def forget(connection: sqlite3.Connection, at: int) -> bool:
    """Delete some of what has expired at `at` (ms), or is too much; True when there may be more. A chore."""
    gone = connection.execute(_FORGET, (at, _AT_ONCE)).rowcount
    if gone:
        return gone == _AT_ONCE
    (rows,) = connection.execute("SELECT count(*) FROM greylist").fetchone()
    return rows > MAX_ROWS and connection.execute(_FORGET, (_ANY_TIME, _AT_ONCE)).rowcount > 0
