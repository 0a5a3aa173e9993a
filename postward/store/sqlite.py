"""The default store: one SQLite file, one writer thread, memory in front of it.

What is durable when: a hold and a person's word before they are answered, also against a loss of
power; a booking before it is answered, also against the death of the process; greylisting, ratings
and what was met before within 0.2 seconds. Whatever breaks (a lock held too long, a full or read-only
disk, an I/O error) is `StoreDown` within two seconds, and the store works again by itself when the
trouble has passed. A corrupt file is moved aside and a new one begun.

Open it after forking: neither threads nor SQLite connections survive that.
"""

import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path

from postward.store import (
    rating_changes,
    sqlite_greylist,
    sqlite_holds,
    sqlite_ratings,
    sqlite_seen,
    sqlite_words,
)
from postward.store.changes import Changes
from postward.store.database import Database
from postward.store.reader import Reader
from postward.store.schema import STATE
from postward.store.sqlite_counters import FOLD_EVERY, SqliteCounters
from postward.store.sqlite_greylist import SqliteGreylist
from postward.store.sqlite_holds import SqliteHolds
from postward.store.sqlite_ratings import SqliteRatings
from postward.store.sqlite_seen import SqliteSeen
from postward.store.standing import HALF_LIFE
from postward.store.timeline import Timeline
from postward.store.writer import Chore, Writer

_log = logging.getLogger("postward.store")

_TIDY = 10.0
"""Seconds between two looks for what has expired."""
_FORGETFUL = (sqlite_greylist, sqlite_holds, sqlite_words, sqlite_seen, sqlite_ratings, rating_changes)


class SqliteStore:
    """`postward.state.Store` in the file at `path`.

    `steady`: a clock that the store's own time follows (see `postward.store.timeline`); `half_life`:
    seconds in which half of a rating fades. Raises `SchemaRefused` for a file that it must not touch;
    other trouble is logged, and told by the verbs.
    """

    def __init__(
        self, path: Path | str, *, steady: Callable[[], float] | None = None, half_life: float = HALF_LIFE
    ) -> None:
        self._database = Database(Path(path), STATE)
        self._timeline = Timeline(steady)
        connection = self._first_connection()
        self._writer = Writer(self._database, connection, "store")
        self._reader = Reader(self._database, self._writer)
        self.greylist = SqliteGreylist(self._writer, self._reader, self._timeline)
        self.counters = SqliteCounters(self._database, self._writer, self._reader, self._timeline)
        changes = Changes(self._database, self._reader)
        self.seen = SqliteSeen(self._writer, self._reader, self._timeline, changes)
        self.ratings = SqliteRatings(
            self._database, self._writer, self._reader, self._timeline, changes, half_life=half_life
        )
        self.holds = SqliteHolds(self._writer, self._reader, self._timeline, changes)
        counters = self.counters
        self._writer.start(
            Chore(FOLD_EVERY, counters.fold, lambda: counters.much_to_fold, counters.fold_committed),
            Chore(1.0, self._save_timeline),
            Chore(_TIDY, lambda connection: counters.forget(connection, self._now())),
            *[self._tidy(each.forget) for each in _FORGETFUL],
        )

    def close(self) -> None:
        """Write what is not written yet and let go of the file. From the thread of the event loop."""
        self.greylist.flush()
        self.seen.flush()
        self.ratings.flush()
        self._writer.close()
        self.counters.close()
        self._reader.close()

    def _tidy(self, forget: Callable[[sqlite3.Connection, int], bool]) -> Chore:
        return Chore(_TIDY, lambda connection: forget(connection, self._now()))

    def _first_connection(self) -> sqlite3.Connection | None:
        try:
            connection = self._database.connect()
            row = connection.execute("SELECT latest, wall FROM timeline").fetchone()
        except (sqlite3.Error, OSError) as error:
            _log.error("%s: %s: %s", self._database.path, type(error).__name__, error)
            return None
        if row is not None:
            self._timeline.resume(row[0] / 1000, row[1] / 1000)
        return connection

    def _save_timeline(self, connection: sqlite3.Connection) -> bool:
        if self._timeline.latest:
            values = (self._now(), int(self._timeline.wall * 1000))
            connection.execute("INSERT OR REPLACE INTO timeline (one, latest, wall) VALUES (1, ?, ?)", values)
        return False

    def _now(self) -> int:
        """The store's own time as the loop saw it last (ms)."""
        return int(self._timeline.latest * 1000)
