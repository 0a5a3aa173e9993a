"""What was met before: answered from memory, read through from SQLite, written behind.

A row in memory is used for `FRESH` seconds, unless a person's word in another process ends it
earlier (`postward.store.changes`); then the file is asked again, because other processes note there
too. What is not there is remembered alike. While the file is in trouble, memory goes on.

Not every meeting is written: one with the same value that moves the expiry by less than a hundredth
of `keep` may stay in memory, if the row counts more than 64 meetings and those that this process has
not written are less than a sixteenth of them. So whoever counts deliveries finds small numbers exact
and large ones within 6 % (for each process that notes the same key), and no row is forgotten more
than 1 % of its time too early, whenever the process dies.
"""

import sqlite3
import struct
from collections.abc import Mapping

from postward.state import Sighting
from postward.store import sightings
from postward.store.behind import Behind
from postward.store.changes import SEEN, Changes, tell
from postward.store.database import rows_of, write_rows
from postward.store.generations import Generations
from postward.store.reader import Reader
from postward.store.sightings import MOST_TIMES, Met
from postward.store.text import stored, stored_key
from postward.store.timeline import Timeline
from postward.store.writer import Writer

MAX_ENTRIES = 150_000
"""Rows in memory; about 0.2 kB each."""
MAX_ROWS = 2_000_000
"""Rows in the file; beyond that those of the most numerous kind that expire first go early."""
FRESH = 30.0
_EXACT = 64
_PART = 16
_AT_ONCE = 500

_FIND = "SELECT first, last, expires, times, value FROM seen WHERE key = ?"
_FIND_MANY = "SELECT key, first, last, expires, times, value FROM seen WHERE key IN {}"
_WRITE = "INSERT OR REPLACE INTO seen (key, first, last, expires, times, value) VALUES {}"
_ROWS = (
    "SELECT key, first, last, expires, times, value FROM seen"
    " WHERE key >= ? AND key < ? AND expires >= ? ORDER BY last DESC LIMIT ?"
)
_DELETE = "DELETE FROM seen WHERE key = ?"
_FORGET = "DELETE FROM seen WHERE key IN (SELECT key FROM seen WHERE expires < ? ORDER BY expires LIMIT ?)"
_NEXT = "SELECT key FROM seen WHERE key >= ? ORDER BY key LIMIT 1"
_COUNT = "SELECT count(*) FROM seen WHERE key >= ? AND key < ?"
_FORGET_OF = (
    "DELETE FROM seen WHERE key IN (SELECT key FROM seen INDEXED BY seen_expires"
    " WHERE key >= ? AND key < ? ORDER BY expires LIMIT ?)"
)
_MOST_KINDS = 64

_ENTRY = struct.Struct("<qqqIIqd")
"""first, last, expires, times (0: not there), of them not written, expiry as written, when it was read."""
_unpack = _ENTRY.unpack_from


class SqliteSeen:
    """`postward.state.Seen`."""

    def __init__(
        self,
        writer: Writer,
        reader: Reader,
        timeline: Timeline,
        changes: Changes,
        *,
        entries: int = MAX_ENTRIES,
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._timeline = timeline
        self._changes = changes
        self._entries: Generations[bytes] = Generations(entries)
        self._behind: Behind[Met, Met] = Behind(writer, self, "what was met before")

    def note(self, key: str, *, now: float, keep: float, value: str = "") -> None:
        at = self._timeline.milliseconds(now)
        met = sightings.once(at, keep, stored(value, sightings.MAX_VALUE))
        entry = self._entries.get(hash(key))
        if entry is None:  # new, or not stored as it is
            key = stored_key(key)
            entry = self._entries.get(hash(key))
        present = self._changes.look()
        if entry is None or (_unpack(entry)[6] < self._changes.since[SEEN] and not self._behind.waits(key)):
            entry = self._read_at_once(key, present) or entry
        held, unwritten, written, read = _opened(entry)
        both = sightings.merge(held, met)
        if (
            both.times - 1 >= _EXACT
            and (unwritten + 1) * _PART <= both.times
            and 0 <= met.expires - written < keep * 10
            and held is not None
            and held.value == met.value
        ):
            self._entries.put(hash(key), _packed(both, unwritten + 1, written, read))
            return
        self._entries.put(hash(key), _packed(both, 0, met.expires, read))
        self._behind.put(key, met._replace(times=unwritten + 1) if unwritten else met)

    async def find(self, key: str, *, now: float) -> Sighting | None:
        present = self._changes.look()
        entry = self._entries.get(hash(key))
        if entry is None:
            key = stored_key(key)
            entry = self._entries.get(hash(key))
        if entry is None or _unpack(entry)[6] < max(self._changes.since[SEEN], present - FRESH):
            entry = await self._read(key, entry, present)
        at = self._timeline.milliseconds(now)
        first, last, expires, times, _, _, _ = _unpack(entry)
        if not times or expires < at:
            return None
        shift = round(now * 1000) - at
        return Sighting(
            (first + shift) / 1000, (last + shift) / 1000, times, entry[_ENTRY.size :].decode("utf-8")
        )

    async def forget(self, key: str) -> bool:
        key = stored_key(key)
        present = self._changes.look()
        self._behind.push()

        def delete(connection: sqlite3.Connection) -> bool:
            tell(connection, SEEN)
            return connection.execute(_DELETE, (key,)).rowcount > 0

        there = await self._writer.ask(delete, full=True)
        if not self._behind.waits(key):
            self._entries.put(hash(key), _packed(None, 0, 0, present))
        return there

    async def rows(self, kind: str, *, now: float, limit: int = 1_000) -> tuple[tuple[str, Sighting], ...]:
        at, prefix = self._timeline.milliseconds(now), f"{kind} "
        read = self._reader.wait_for_rows if self._behind.push() else self._reader.read
        rows = await read(_ROWS, (prefix, f"{kind}!", at, limit))
        shift = round(now * 1000) - at
        return tuple([(key.removeprefix(prefix), sightings.shown(Met(*row), shift)) for key, *row in rows])

    def flush(self) -> None:
        """Hand over what is not written yet; for a store that closes."""
        self._behind.flush()

    # --- Reading through -------------------------------------------------------------------------
    def _read_at_once(self, key: str, present: float) -> bytes | None:
        """What the file says, if it can be asked without waiting."""
        rows = self._reader.rows(_FIND, (key,))
        return None if rows is None else _from_rows(rows, present)

    async def _read(self, key: str, entry: bytes | None, present: float) -> bytes:
        """What the file says; `entry` goes on while it cannot, or while it lacks what memory has."""
        if entry is not None and self._behind.waits(key):
            return entry
        rows = self._reader.rows(_FIND, (key,))
        if rows is None:
            if entry is not None:
                return entry
            rows = await self._reader.wait_for_rows(_FIND, (key,))
            entry = self._entries.get(hash(key))  # it may have been noted meanwhile
            if entry is not None:
                return entry
        fresh = _with_unwritten(_from_rows(rows, present), entry)
        pending = self._behind.pending(key)
        if pending is not None:  # it left memory before it was written
            met, unwritten, written, _ = _opened(fresh)
            fresh = _packed(sightings.merge(met, pending), unwritten, written, present)
        self._entries.put(hash(key), fresh)
        return fresh

    # --- Writing behind --------------------------------------------------------------------------
    def add_up(self, older: Met, newer: Met) -> Met:
        return sightings.merge(older, newer)

    def write(self, connection: sqlite3.Connection, noted: Mapping[str, Met]) -> dict[str, Met]:
        held = {key: Met(*row) for key, *row in rows_of(connection, _FIND_MANY, list(noted))}
        rows = {key: sightings.merge(held.get(key), met) for key, met in noted.items()}
        values: list[object] = []
        for key, met in rows.items():
            values.append(key)
            values += met
        write_rows(connection, _WRITE, values, 6)
        return rows

    def written(self, rows: Mapping[str, Met], read: float) -> None:
        for key, met in rows.items():
            entry = _with_unwritten(_packed(met, 0, met.expires, read), self._entries.get(hash(key)))
            later = self._behind.pending(key)
            if later is not None:
                both, unwritten, written, _ = _opened(entry)
                entry = _packed(sightings.merge(both, later), unwritten, written, read)
            self._entries.put(hash(key), entry)


def forget(connection: sqlite3.Connection, at: int) -> bool:
    """Delete some of what has expired at `at` (ms), or is too much; True when there may be more. A chore."""
    gone = connection.execute(_FORGET, (at, _AT_ONCE)).rowcount
    if gone:
        return gone == _AT_ONCE
    counts = _kinds(connection)
    if sum(counts.values()) <= MAX_ROWS:
        return False
    kind = max(counts, key=lambda each: counts[each])  # a flood of one kind costs no other anything
    return connection.execute(_FORGET_OF, (f"{kind} ", f"{kind}!", _AT_ONCE)).rowcount > 0


def _kinds(connection: sqlite3.Connection) -> dict[str, int]:
    """How many rows there are of each kind: the word before the blank of a key ("!" comes next to it)."""
    counts: dict[str, int] = {}
    start = ""
    while len(counts) < _MOST_KINDS and (row := connection.execute(_NEXT, (start,)).fetchone()):
        kind = row[0].partition(" ")[0]
        (counts[kind],) = connection.execute(_COUNT, (f"{kind} ", f"{kind}!")).fetchone()
        start = f"{kind}!"
    return counts


# --- Entries -------------------------------------------------------------------------------------
def _packed(met: Met | None, unwritten: int, written: int, read: float) -> bytes:
    if met is None:
        return _ENTRY.pack(0, 0, 0, 0, 0, 0, read)
    first, last, expires, times, value = met
    return _ENTRY.pack(first, last, expires, times, unwritten, written, read) + value.encode("utf-8")


def _opened(entry: bytes | None) -> tuple[Met | None, int, int, float]:
    """What is known, how many meetings of it are not written, the expiry as written, when it was read."""
    if entry is None:
        return None, 0, 0, 0.0
    first, last, expires, times, unwritten, written, read = _unpack(entry)
    if not times:
        return None, 0, 0, read
    value = entry[_ENTRY.size :].decode("utf-8")
    return Met(first, last, expires, times, value), unwritten, written, read


def _from_rows(rows: list[tuple[int, int, int, int, str]], read: float) -> bytes:
    if not rows:
        return _packed(None, 0, 0, read)
    first, last, expires, times, value = rows[0]
    return _packed(Met(first, last, expires, min(max(times, 1), MOST_TIMES), value), 0, expires, read)


def _with_unwritten(fresh: bytes, entry: bytes | None) -> bytes:
    """`fresh` from the file, with the meetings that only `entry` in memory has."""
    if entry is None or not _unpack(entry)[4]:
        return fresh
    met, _, written, read = _opened(fresh)
    held, unwritten, _, _ = _opened(entry)
    if met is None or held is None:  # somebody made the file forget it
        return fresh
    more = Met(held.last, held.last, held.expires, unwritten, held.value)
    return _packed(sightings.merge(met, more), unwritten, written, read)
