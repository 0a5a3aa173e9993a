"""A person's remembered words: in SQLite, and all of them in memory, because each request asks for them.

Memory is read again when the number of their changes has moved (`postward.store.changes`); a word is
committed with synchronous FULL before it is answered. While the file is in trouble, memory goes on.
"""

import sqlite3
from dataclasses import replace

from postward.state import Word
from postward.store import tickets
from postward.store.changes import WORDS, Changes, tell
from postward.store.reader import Reader, Row
from postward.store.text import stored
from postward.store.timeline import Timeline
from postward.store.writer import Writer

_MAX_KIND = 32
_MAX_VALUE = 320
_MAX_NOTE = 1_000
_AT_ONCE = 200
_NEVER = 2**62

_COLUMNS = "kind, value, verdict, said_by, note, at, until, ticket, clients"
_ALL = f"SELECT {_COLUMNS} FROM words"  # noqa: S608  # this module's words
_NEWEST = f"SELECT {_COLUMNS} FROM words ORDER BY at DESC LIMIT ?"  # noqa: S608  # this module's words
_SAY = f"INSERT OR REPLACE INTO words ({_COLUMNS}, expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608  # this module's words
_COUNT = "SELECT count(*) FROM words"
_IS_SAID = "SELECT 1 FROM words WHERE kind = ? AND value = ?"
_UNSAY = "DELETE FROM words WHERE kind = ? AND value = ?"
_FORGET = "DELETE FROM words WHERE (kind, value) IN (SELECT kind, value FROM words WHERE expires < ? LIMIT ?)"

_Key = tuple[str, str]


class SqliteWords:
    """The verbs of `postward.state.Holds` that are about words."""

    def __init__(self, writer: Writer, reader: Reader, timeline: Timeline, changes: Changes) -> None:
        self._writer = writer
        self._reader = reader
        self._timeline = timeline
        self._changes = changes
        self._words: dict[_Key, Word] | None = None
        self._read = 0.0

    async def say(self, word: Word) -> None:
        kept = _kept(word)
        expires = _NEVER
        if kept.expires is not None:
            left = max(0.0, kept.expires - kept.at)
            expires = int((self._timeline.at(kept.at) + left) * 1000)
        what = kept.kind, kept.value, kept.verdict, kept.by, kept.note, kept.at, kept.expires, kept.ticket
        clients = tickets.spell(kept.clients)

        def write(connection: sqlite3.Connection) -> None:
            if not connection.execute(_IS_SAID, (kept.kind, kept.value)).fetchall():
                tickets.check_room(connection.execute(_COUNT).fetchone()[0])
            connection.execute(_SAY, (*what, clients, expires))
            tell(connection, WORDS)

        await self._writer.ask(write, full=True)
        if self._words is not None:
            self._words[kept.kind, kept.value] = kept

    async def unsay(self, kind: str, value: str) -> bool:
        key = _key(kind, value)

        def delete(connection: sqlite3.Connection) -> bool:
            tell(connection, WORDS)
            return connection.execute(_UNSAY, key).rowcount > 0

        there = await self._writer.ask(delete, full=True)
        if self._words is not None:
            self._words.pop(key, None)
        return there

    async def words(self, keys: tuple[tuple[str, str], ...], *, now: float) -> tuple[Word, ...]:
        present = self._changes.look()
        words = self._words
        if words is None or self._read < self._changes.since[WORDS]:
            words = await self._read_all(present)
        if not words:
            return ()
        found = [words.get((kind, value.lower())) for kind, value in keys]
        return tuple(
            [word for word in found if word is not None and (word.expires is None or now < word.expires)]
        )

    async def all_words(self, *, limit: int = 1_000) -> tuple[Word, ...]:
        return tuple([_word(row) for row in await self._reader.read(_NEWEST, (limit,))])

    async def _read_all(self, present: float) -> dict[_Key, Word]:
        rows: list[Row] | None = self._reader.rows(_ALL, ())
        if rows is None:
            if self._words is not None:
                return self._words
            rows = await self._reader.wait_for_rows(_ALL, ())
        self._words = {(row[0], row[1]): _word(row) for row in rows}
        self._read = present
        return self._words


def forget(connection: sqlite3.Connection, at: int) -> bool:
    """Delete some words whose time was over at `at` (ms); True: there may be more. A chore."""
    gone = connection.execute(_FORGET, (at, _AT_ONCE)).rowcount
    return gone == _AT_ONCE


def _key(kind: str, value: str) -> _Key:
    return stored(kind, _MAX_KIND), stored(value.lower(), _MAX_VALUE)


def _kept(word: Word) -> Word:
    """As it is written."""
    kind, value = _key(word.kind, word.value)
    return replace(
        word,
        kind=kind,
        value=value,
        verdict=stored(word.verdict, _MAX_KIND),
        by=stored(word.by, _MAX_NOTE),
        note=stored(word.note, _MAX_NOTE),
        ticket=stored(word.ticket, _MAX_KIND),
        clients=tuple(stored(each, _MAX_KIND * 2) for each in word.clients[: tickets.MAX_CLIENTS]),
    )


def _word(row: Row) -> Word:
    values: Row = (*row[:8], tickets.read_list(row[8]))
    return Word(*values)
