"""Ratings: answered from memory, read through from SQLite, written behind as what was added.

A row in memory is used for `FRESH` seconds, unless a person's word in another process ends it
earlier (`postward.store.changes`). What was noted is added to the row inside the transaction that
writes it, so that processes add up, and a row that a person pinned stays as it is. What that came to
goes back into memory. A person's word is committed with synchronous FULL before it is answered.
"""

import asyncio
import heapq
import sqlite3
import struct
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple

from postward.state import Rating, RatingChange
from postward.store import standing
from postward.store.behind import Behind
from postward.store.changes import RATINGS, Changes, tell
from postward.store.database import Database, rows_of, write_rows
from postward.store.generations import Generations
from postward.store.kept import TROUBLE
from postward.store.rating_changes import HISTORY, TOLD_AT_ONCE, Change, change_at, write_changes
from postward.store.reader import Reader
from postward.store.standing import Standing
from postward.store.text import stored, stored_key
from postward.store.timeline import Timeline
from postward.store.writer import Writer

MAX_ENTRIES = 100_000
"""Rows in memory; about 0.2 kB each."""
MAX_ROWS = 1_000_000
"""Rows in the file; beyond that those that were not changed for the longest go early."""
FRESH = 30.0
_AT_ONCE = 500
_ANY_TIME = 2**61
"""Later than any expiry but that of a pinned row."""

_COLUMNS = "points, samples, updated, reason, pinned"
_FIND = f"SELECT {_COLUMNS} FROM ratings WHERE key = ?"  # noqa: S608  # this module's words
_FIND_MANY = f"SELECT key, {_COLUMNS} FROM ratings WHERE key IN {{}}"  # noqa: S608  # this module's words
_ROWS = f"SELECT key, {_COLUMNS} FROM ratings WHERE key >= ? AND substr(key, 1, ?) = ?"  # noqa: S608  # this module's words
_WRITE = f"INSERT OR REPLACE INTO ratings (key, {_COLUMNS}, expires) VALUES {{}}"  # noqa: S608  # this module's words
_DELETE = "DELETE FROM ratings WHERE key = ?"
_FORGET = (
    "DELETE FROM ratings WHERE key IN (SELECT key FROM ratings WHERE expires < ? ORDER BY expires LIMIT ?)"
)
_ENTRY = struct.Struct("<ddqBd")
"""points, samples, updated, kind, when it was read (monotonic seconds); the reason follows."""
_unpack = _ENTRY.unpack_from
_NOT_THERE, _FREE, _PINNED = 0, 1, 2


class Noted(NamedTuple):
    """What was added to a key, and the last changes worth telling."""

    added: Standing
    told: tuple[Change, ...]


class SqliteRatings:
    """`postward.state.Ratings`."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        reader: Reader,
        timeline: Timeline,
        changes: Changes,
        *,
        half_life: float = standing.HALF_LIFE,
        entries: int = MAX_ENTRIES,
    ) -> None:
        self._database = database
        self._writer = writer
        self._reader = reader
        self._timeline = timeline
        self._changes = changes
        self._half = half_life * 1000
        self._entries: Generations[bytes] = Generations(entries)
        self._behind: Behind[Noted, Standing] = Behind(writer, self, "ratings")

    def note(self, keys: tuple[str, ...], points: float, *, now: float, reason: str) -> None:
        at = self._timeline.milliseconds(now)
        reason = stored(reason, standing.MAX_REASON)
        event = standing.one(points, at, reason)
        stale = self._stale_before(self._changes.look())
        worth = abs(points) >= standing.WORTH_TELLING
        noted = Noted(event, (change_at(now, at, points, reason, standing.BY_ITSELF),) if worth else ())
        for key in map(stored_key, keys):
            mark = hash(key)
            entry = self._entries.get(mark)
            held, read = _opened(entry)
            if held is not None and held.pinned:
                if read >= stale:
                    continue
                entry = None  # a person may have cleared it since: the file decides
            if entry is not None:  # else the file may know more: asked when it is read, or written
                self._entries.put(mark, _packed(standing.add(held, event, self._half), read))
            self._behind.put(key, noted)

    async def read(self, keys: tuple[str, ...], *, now: float) -> tuple[Rating | None, ...]:
        present = self._changes.look()
        at = self._timeline.milliseconds(now)
        shift = round(now * 1000) - at
        stale = self._stale_before(present)
        ratings: list[Rating | None] = []
        for key in map(stored_key, keys):
            entry = self._entries.get(hash(key))
            if entry is None or (opened := _unpack(entry))[4] < stale:
                held = await self._read(key, entry, present)
                ratings.append(held and standing.shown(key, held, at, shift, self._half))
            elif opened[3] == _NOT_THERE:
                ratings.append(None)
            else:
                ratings.append(standing.shown(key, _standing(entry, opened), at, shift, self._half))
        return tuple(ratings)

    async def set(self, key: str, points: float, *, now: float, by: str, reason: str) -> Rating:
        standing.check_points(points)
        key, reason = stored_key(key), stored(reason, standing.MAX_REASON)
        present = self._changes.look()
        self._behind.push()
        at = self._timeline.milliseconds(now)
        change = change_at(now, at, points, reason, by)

        def write(connection: sqlite3.Connection) -> Standing:
            row = connection.execute(_FIND, (key,)).fetchone()
            pinned = standing.pin(row and _from_row(row), points, at, reason, self._half)
            self._write_rows(connection, {key: pinned})
            write_changes(connection, {key: (change._replace(points=pinned.points),)})
            tell(connection, RATINGS)
            return pinned

        pinned = await self._writer.ask(write, full=True)
        self._entries.put(hash(key), _packed(pinned, present))
        rating = standing.shown(key, pinned, at, round(now * 1000) - at, self._half)
        assert rating is not None  # what is pinned is never forgotten
        return rating

    async def clear(self, key: str, *, now: float, by: str, reason: str) -> bool:
        key = stored_key(key)
        present = self._changes.look()
        self._behind.push()
        at = self._timeline.milliseconds(now)
        change = change_at(now, at, 0.0, stored(reason, standing.MAX_REASON), by)

        def delete(connection: sqlite3.Connection) -> bool:
            row = connection.execute(_FIND, (key,)).fetchone()
            if row is None:
                return False
            connection.execute(_DELETE, (key,))
            tell(connection, RATINGS)
            if standing.shown(key, _from_row(row), at, 0, self._half) is None:
                return False
            write_changes(connection, {key: (change,)})
            return True

        there = await self._writer.ask(delete, full=True)
        if not self._behind.waits(key):
            self._entries.put(hash(key), _packed(None, present))
        return there

    async def rows(self, prefix: str = "", *, now: float, limit: int = 100) -> tuple[Rating, ...]:
        at = self._timeline.milliseconds(now)
        shift = round(now * 1000) - at

        def worst(connection: sqlite3.Connection) -> list[Rating]:
            """All of them have to be looked at: each has faded for as long as nothing was added."""
            found = connection.execute(_ROWS, (prefix, len(prefix), prefix))
            shown = (standing.shown(key, _from_row(row), at, shift, self._half) for key, *row in found)
            return heapq.nsmallest(
                limit, (rating for rating in shown if rating is not None), key=lambda each: each.points
            )

        def in_thread() -> list[Rating]:
            with closing(self._database.reader()) as connection:
                return worst(connection)

        if self._behind.push():
            return tuple(await self._writer.ask(worst))
        try:
            return tuple(await asyncio.to_thread(in_thread))
        except TROUBLE:  # a lock, or trouble: the writer waits for the one, tells the other
            return tuple(await self._writer.ask(worst))

    async def history(self, key: str, *, limit: int = 20) -> tuple[RatingChange, ...]:
        self._behind.push()
        return tuple(
            [RatingChange(*row) for row in await self._reader.read(HISTORY, (stored_key(key), limit))]
        )

    def flush(self) -> None:
        """Hand over what is not written yet; for a store that closes."""
        self._behind.flush()

    # --- Reading through -------------------------------------------------------------------------
    def _stale_before(self, present: float) -> float:
        """What was read before this (monotonic seconds) is to be read again."""
        return max(self._changes.since[RATINGS], present - FRESH)

    async def _read(self, key: str, entry: bytes | None, present: float) -> Standing | None:
        """What the file says; `entry` goes on while it cannot, or while it lacks what memory has."""
        if entry is not None and self._behind.waits(key):
            return _opened(entry)[0]
        rows = self._reader.rows(_FIND, (key,))
        if rows is None:
            if entry is not None:
                return _opened(entry)[0]
            rows = await self._reader.wait_for_rows(_FIND, (key,))
        held = _from_row(rows[0]) if rows else None
        pending = self._behind.pending(key)
        if pending is not None:  # comes on top; when it is written, memory is told
            return standing.add(held, pending.added, self._half)
        self._entries.put(hash(key), _packed(held, present))
        return held

    # --- Writing behind --------------------------------------------------------------------------
    def add_up(self, older: Noted, newer: Noted) -> Noted:
        told = (*older.told, *newer.told)[-TOLD_AT_ONCE:] if newer.told else older.told
        return Noted(standing.add(older.added, newer.added, self._half), told)

    def write(self, connection: sqlite3.Connection, noted: Mapping[str, Noted]) -> dict[str, Standing]:
        held = {key: _from_row(row) for key, *row in rows_of(connection, _FIND_MANY, list(noted))}
        pinned = {key: row for key, row in held.items() if row.pinned}
        free = {key: note for key, note in noted.items() if key not in pinned}
        rows = {key: standing.add(held.get(key), note.added, self._half) for key, note in free.items()}
        self._write_rows(connection, rows)
        write_changes(connection, {key: note.told for key, note in free.items() if note.told})
        return rows | pinned

    def written(self, rows: Mapping[str, Standing], read: float) -> None:
        for key, row in rows.items():
            later = self._behind.pending(key)
            both = row if later is None else standing.add(row, later.added, self._half)
            self._entries.put(hash(key), _packed(both, read))

    def _write_rows(self, connection: sqlite3.Connection, rows: Mapping[str, Standing]) -> None:
        values: list[object] = []
        for key, row in rows.items():
            values.append(key)
            values += row
            values.append(standing.expiry(row, self._half))
        write_rows(connection, _WRITE, values, 7)


def forget(connection: sqlite3.Connection, at: int) -> bool:
    """Delete some of what has expired at `at` (ms), or is too much; True when there may be more. A chore."""
    gone = connection.execute(_FORGET, (at, _AT_ONCE)).rowcount
    if gone:
        return gone == _AT_ONCE
    (rows,) = connection.execute("SELECT count(*) FROM ratings").fetchone()
    return rows > MAX_ROWS and connection.execute(_FORGET, (_ANY_TIME, _AT_ONCE)).rowcount > 0


# --- Entries -------------------------------------------------------------------------------------
def _from_row(row: Sequence[Any]) -> Standing:
    points, samples, updated, reason, pinned = row
    return Standing(points, samples, updated, reason, bool(pinned))


def _packed(held: Standing | None, read: float) -> bytes:
    if held is None:
        return _ENTRY.pack(0.0, 0.0, 0, _NOT_THERE, read)
    kind = _PINNED if held.pinned else _FREE
    return _ENTRY.pack(held.points, held.samples, held.updated, kind, read) + held.reason.encode("utf-8")


def _standing(entry: bytes, opened: tuple[Any, ...]) -> Standing:
    points, samples, updated, kind, _ = opened
    return Standing(points, samples, updated, entry[_ENTRY.size :].decode("utf-8"), kind == _PINNED)


def _opened(entry: bytes | None) -> tuple[Standing | None, float]:
    """What is known, None for nothing, and when it was read."""
    if entry is None:
        return None, 0.0
    opened = _unpack(entry)
    return None if opened[3] == _NOT_THERE else _standing(entry, opened), opened[4]
