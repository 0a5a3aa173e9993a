"""The journal of decisions: one SQLite file that several processes write, and nobody waits for.

`JournalWriter.write` puts an entry into a queue; a thread renders and writes them within 0.2
seconds, many in one transaction. When the file is in trouble they wait in the queue, and when that is
full they are dropped and counted: one line in the log marks the beginning, one the end. The journal
never stops mail. Commits are synchronous NORMAL: a loss of power may take the last seconds.

Open a writer after forking.
"""

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from postward.store.database import Database, connect, transaction, write_rows
from postward.store.kept import TROUBLE, Kept
from postward.store.schema import JOURNAL
from postward.store.text import stored
from postward.store.timeline import Timeline, since_boot
from postward.tools import StoreDown

_log = logging.getLogger("postward.store")
T = TypeVar("T")

MOST_WAITING = 10_000
"""Entries in the queue; more are dropped."""
_GATHER = 0.1
"""Seconds for which entries gather before they are written."""
_BATCH = 1_000
"""Entries in one transaction."""
_AGAIN = 1.0
"""Seconds between two tries while the file is in trouble."""
_TIDY = 10.0
"""Seconds between two looks for what is too old or too much."""
_AT_ONCE = 500
_STEPS = 5
_CLOSING = 5.0
_MAX_TEXT = 1_000
_MAX_BODY = 1 << 20
_MAX_ROWS = 10_000
_LAST = "\U0010ffff"
"""Sorts behind all that a trace id has."""


class JournalRow(NamedTuple):
    """One decision. `time`: wall clock, seconds; texts may be empty; `body_json`: all the rest."""

    time: float
    trace: str
    queue_id: str
    door: str
    stage: str
    client: str
    sender: str
    recipient: str
    login: str
    decision: str
    body_json: str


_COLUMNS = ", ".join(JournalRow._fields)
_WRITE = f"INSERT INTO journal ({_COLUMNS}) VALUES {{}}"  # noqa: S608  # this module's words
_TOO_OLD = "DELETE FROM journal WHERE id IN (SELECT id FROM journal WHERE time < ? ORDER BY time LIMIT ?)"
_TOO_MUCH = "DELETE FROM journal WHERE id IN (SELECT id FROM journal ORDER BY id LIMIT ?)"


class JournalWriter(Generic[T]):
    """Writes the journal at `path`.

    `render` makes a row of an item (an opaque object), in the thread; rows older than `keep_seconds`
    go, and the oldest when they take more than `max_bytes`. `steady` is a clock
    that the wall clock's jumps do not move: without it a clock set years ahead would empty the journal.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        keep_seconds: float,
        max_bytes: int,
        render: Callable[[T], JournalRow],
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] | None = since_boot,
    ) -> None:
        self.dropped = 0
        self._database = Database(Path(path), JOURNAL, pages=1_000)
        self._kept = Kept(self._database)
        self._keep_seconds = keep_seconds
        self._max_bytes = max_bytes
        self._render = render
        self._wall = wall
        self._timeline = Timeline(steady)
        self._waiting: deque[T] = deque()
        self._woken = False
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._tidied = 0.0
        self._more_to_tidy = False
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def write(self, item: T) -> None:
        """Have `item` written soon. Never waits, never raises."""
        if len(self._waiting) >= MOST_WAITING:
            self.dropped += 1
            return
        self._waiting.append(item)
        if not self._woken:
            self._woken = True
            self._wake.set()

    def close(self) -> None:
        """Write what waits, then end. Takes a few seconds at most; what cannot be written is dropped."""
        self._stop.set()
        self._wake.set()
        self._thread.join(_CLOSING)

    # --- In the thread ---------------------------------------------------------------------------
    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(_GATHER if self._more_to_tidy or self._kept.troubled else None)
            self._stop.wait(_AGAIN if self._kept.troubled else _GATHER)
            self._wake.clear()
            self._woken = False  # before looking: what comes later wakes again
            self._write_all()
        if self._waiting:
            _log.error("%s: %d decisions are not recorded", self._database.path, len(self._waiting))
        self._kept.close()

    def _write_all(self) -> None:
        """Write all there is, a batch a transaction, until something goes wrong."""
        try:
            while self._waiting:
                self._write_batch()
            if self._more_to_tidy or time.monotonic() - self._tidied >= _TIDY:
                self._tidy()
        except TROUBLE as error:
            self._kept.trouble(error)
        except Exception:  # noqa: BLE001  # the thread must live on: the fault is logged
            _log.exception("a fault in the journal")
        else:
            dropped, self.dropped = self.dropped, 0
            if dropped and not self._kept.troubled:
                _log.error("%s: %d decisions came too fast to be recorded", self._database.path, dropped)
            self._kept.fine(f", {dropped} decisions were not recorded")

    def _write_batch(self) -> None:
        connection = self._kept.open()
        items = [self._waiting[index] for index in range(min(_BATCH, len(self._waiting)))]
        values: list[float | str] = []
        for item in items:
            values += self._row(item)
        with transaction(connection):
            write_rows(connection, _WRITE, values, len(JournalRow._fields))
        for _ in items:
            self._waiting.popleft()

    def _row(self, item: T) -> tuple[float | str, ...]:
        """The values for `item`, none if it cannot be rendered."""
        try:
            time_, *texts, body = self._render(item)
            return float(time_), *(stored(text, _MAX_TEXT) for text in texts), stored(body, _MAX_BODY)
        except Exception:  # noqa: BLE001  # one entry must not stop all others: the fault is logged
            _log.exception("a decision that the journal cannot hold")
            return ()

    def _tidy(self) -> None:
        """Delete some of what is too old or too much, and give the room back to the file system."""
        connection = self._kept.open()
        self._tidied = time.monotonic()
        oldest = self._timeline.at(self._wall()) - self._keep_seconds
        for _ in range(_STEPS):
            with transaction(connection):
                gone = connection.execute(_TOO_OLD, (oldest, _AT_ONCE)).rowcount
                if not gone and _size(connection) > self._max_bytes:
                    gone = connection.execute(_TOO_MUCH, (_AT_ONCE,)).rowcount
            self._more_to_tidy = gone > 0
            if not gone:
                return
            # not execute(): that takes one step, which is one page
            connection.executescript(f"PRAGMA incremental_vacuum({_AT_ONCE})")


class JournalReader:
    """Looks decisions up. Reads only; never waits for a writer. Raises `StoreDown`."""

    def __init__(self, path: Path | str) -> None:
        path = Path(path)
        if not path.exists():
            raise StoreDown(f"there is no journal at {path}")
        try:
            self._connection = connect(path, wait=1.0, read_only=True)
        except sqlite3.Error as error:
            raise StoreDown(f"{path}: {error}") from None

    def by_trace(self, prefix: str) -> list[JournalRow]:
        """Whose trace id begins with `prefix`, oldest first."""
        return self._rows(BY_TRACE, (prefix, prefix + _LAST, _MAX_ROWS))

    def by_queue_id(self, queue_id: str) -> list[JournalRow]:
        """Of the message with this queue id, oldest first. (Postfix uses a short one again some day.)"""
        return self._rows(BY_QUEUE_ID, (queue_id, _MAX_ROWS))

    def by_address(self, address: str, limit: int) -> list[JournalRow]:
        """Where `address` is sender, recipient, login or client, newest first. Case does not matter."""
        return self._rows(BY_ADDRESS, (address, limit) * 4 + (limit,))

    def latest(self, limit: int) -> list[JournalRow]:
        """Newest first."""
        return self._rows(LATEST, (limit,))

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _rows(self, sql: str, parameters: tuple[str | int, ...]) -> list[JournalRow]:
        spelled = [stored(each, _MAX_TEXT) if isinstance(each, str) else each for each in parameters]
        try:
            return [JournalRow(*row) for row in self._connection.execute(sql, spelled).fetchall()]
        except sqlite3.Error as error:
            raise StoreDown(f"the journal cannot be read: {error}") from None


def _whose(column: str) -> str:
    """The newest rows with an address in `column`."""
    collate = "" if column == "client" else " COLLATE NOCASE"
    return (
        f"SELECT * FROM (SELECT id FROM journal WHERE {column} = ?{collate} AND {column} <> ''"  # noqa: S608
        " ORDER BY id DESC LIMIT ?)"
    )


_SELECT = f"SELECT {_COLUMNS} FROM journal"  # noqa: S608
BY_TRACE = f"{_SELECT} WHERE trace >= ? AND trace < ? ORDER BY trace, id LIMIT ?"
BY_QUEUE_ID = f"{_SELECT} WHERE queue_id = ? AND queue_id <> '' ORDER BY id LIMIT ?"
BY_ADDRESS = (
    f"{_SELECT} WHERE id IN ({' UNION '.join(map(_whose, ('sender', 'recipient', 'login', 'client')))})"
    " ORDER BY id DESC LIMIT ?"
)
LATEST = f"{_SELECT} ORDER BY id DESC LIMIT ?"


def _size(connection: sqlite3.Connection) -> int:
    """Octets that are in use."""
    size, pages, free = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_size", "page_count", "freelist_count")
    )
    return int(size * (pages - free))
