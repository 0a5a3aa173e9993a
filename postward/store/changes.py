"""How a process sees what a person said in another one: a number for each noun, raised with each word.

Whoever keeps rows in memory looks at the numbers before he uses them, but not more often than twice
a second. What was read before a number moved is read again.
"""

import sqlite3
import time

from postward.store.database import Database
from postward.store.reader import Reader

LOOK_EVERY = 0.5
"""Seconds between two looks; within 1 s a person's word counts everywhere."""
SEEN, RATINGS, WORDS = NOUNS = ("seen", "ratings", "words")

_LOOK = "SELECT noun, serial FROM changes"
_RAISE = "INSERT INTO changes VALUES (?, 1) ON CONFLICT (noun) DO UPDATE SET serial = serial + 1"


def tell(connection: sqlite3.Connection, noun: str) -> None:
    """Raise the number of `noun`, inside the transaction that changes it."""
    connection.execute(_RAISE, (noun,))


class Changes:
    """`since[noun]`: what was read earlier than this (monotonic seconds) must be read again."""

    __slots__ = ("_database", "_known", "_next", "_reader", "since")

    def __init__(self, database: Database, reader: Reader) -> None:
        self._database = database
        self._reader = reader
        self._known: dict[str, object] = {}
        self._next = 0.0
        self.since = dict.fromkeys(NOUNS, 0.0)

    def look(self) -> float:
        """Look at the numbers if it is time. Gives the present (monotonic seconds)."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + LOOK_EVERY
            self._look(now)
        return now

    def _look(self, now: float) -> None:
        rows = self._reader.rows(_LOOK, ())
        if rows is None:  # trouble with the file: what is in memory goes on
            return
        serials: dict[str, int] = dict(rows)
        for noun in NOUNS:
            known = self._database.opened, serials.get(noun, 0)  # a new file counts anew
            if self._known.get(noun) != known:
                self._known[noun] = known
                self.since[noun] = now
