"""Writing behind: what was noted of a key is added up in memory and written within `BEHIND` seconds.

While a batch is on its way to the file the next one waits. What could not be written waits for the
next try; of too much the oldest is dropped, with one line in the log.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar

from postward.state import StoreDown
from postward.store.writer import Job, Writer

_log = logging.getLogger("postward.store")
D = TypeVar("D")
R = TypeVar("R")

BEHIND = 0.15
_AGAIN = 1.0
MOST_UNWRITTEN = 50_000


class Owner(Protocol[D, R]):
    """Whose notes these are: `D` is what was noted of a key, `R` what the file says of it after that."""

    def add_up(self, older: D, newer: D) -> D:
        """Both notes as one."""

    def write(self, connection: sqlite3.Connection, noted: Mapping[str, D]) -> dict[str, R]:
        """In the writer's thread, in a transaction; may be done again if that one fails."""

    def written(self, rows: Mapping[str, R], read: float) -> None:
        """On the loop: it is on the disk. `read`: when `rows` were true (monotonic seconds)."""


class Behind(Generic[D, R]):
    """The notes of one owner. `what`: for the log."""

    def __init__(self, writer: Writer, owner: Owner[D, R], what: str, most: int = MOST_UNWRITTEN) -> None:
        self._writer = writer
        self._owner = owner
        self._what = what
        self._most = most
        self._unwritten: dict[str, D] = {}
        self._on_their_way: list[_Batch[D, R]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._armed = False
        self._dropped = 0

    def __len__(self) -> int:
        """Keys noted that are not on their way."""
        return len(self._unwritten)

    def put(self, key: str, note: D) -> None:
        """Write `note` soon."""
        held = self._unwritten.get(key)
        if held is None:
            if len(self._unwritten) >= self._most:
                self._drop(1)
            self._unwritten[key] = note
        else:
            self._unwritten[key] = self._owner.add_up(held, note)
        if not self._armed or self._loop is not asyncio.get_running_loop():
            self._arm(BEHIND)

    def pending(self, key: str) -> D | None:
        """What was noted of `key` and may not be in the file."""
        found: D | None = None
        for notes in (*[batch.notes for batch in self._on_their_way], self._unwritten):
            note = notes.get(key)
            if note is not None:
                found = note if found is None else self._owner.add_up(found, note)
        return found

    @property
    def is_empty(self) -> bool:
        """Whether everything is in the file."""
        return not self._unwritten and not self._on_their_way

    def waits(self, key: str) -> bool:
        """Whether something of `key` may not be in the file."""
        return key in self._unwritten or any(key in batch.notes for batch in self._on_their_way)

    def push(self) -> bool:
        """Hand over all there is, before what the caller asks the writer next. False: nothing waits."""
        self._adopt(asyncio.get_running_loop())
        if self._unwritten:
            self._hand_over()
        return bool(self._on_their_way)

    def flush(self) -> None:
        """Hand over all there is; for a store that closes (`Writer.close` waits for it)."""
        if self._unwritten:
            self._writer.leave(_Batch(self, self._unwritten))
            self._unwritten = {}

    def _arm(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._adopt(loop)
        self._armed = True
        loop.call_later(seconds, self._write_behind)

    def _adopt(self, loop: asyncio.AbstractEventLoop) -> None:
        """On a new event loop nobody is told any more what became of a batch of the last one.

        Its jobs are done all the same, before those of this loop.
        """
        if loop is not self._loop:
            self._loop, self._armed = loop, False
            self._on_their_way = []

    def _write_behind(self) -> None:
        self._armed = False
        if self._on_their_way:  # the disk is slow: one batch at a time
            self._arm(BEHIND)
        elif self._unwritten:
            self._hand_over()

    def _hand_over(self) -> None:
        batch = _Batch(self, self._unwritten)
        self._unwritten = {}
        self._on_their_way.append(batch)
        try:
            self._writer.submit(batch)
        except StoreDown as error:
            self._ended(batch, error)

    def _ended(self, batch: "_Batch[D, R]", error: StoreDown | None) -> None:
        """The batch is in the file, or its notes wait for the next try."""
        if batch not in self._on_their_way:
            return
        self._on_their_way.remove(batch)
        if error is None:
            self._dropped = 0
            self._owner.written(batch.rows, batch.read)
            return
        newer, self._unwritten = self._unwritten, batch.notes
        for key, note in newer.items():
            held = self._unwritten.get(key)
            self._unwritten[key] = note if held is None else self._owner.add_up(held, note)
        self._drop(len(self._unwritten) - self._most)
        if not self._armed:
            self._arm(_AGAIN)

    def _drop(self, number: int) -> None:
        """Forget the oldest notes."""
        if number <= 0:
            return
        if not self._dropped:
            _log.error("%s: too much waits for the disk: the oldest is dropped", self._what)
        self._dropped += number
        for key in [key for key, _ in zip(self._unwritten, range(number), strict=False)]:
            del self._unwritten[key]


class _Batch(Job, Generic[D, R]):
    """Notes on their way."""

    __slots__ = ("_behind", "notes", "read", "rows")

    def __init__(self, behind: Behind[D, R], notes: dict[str, D]) -> None:
        self._behind = behind
        self.notes = notes
        self.rows: dict[str, R] = {}
        self.read = 0.0

    def work(self, connection: sqlite3.Connection) -> None:
        self.read = time.monotonic()
        self.rows = self._behind._owner.write(connection, self.notes)

    def end(self, error: StoreDown | None) -> None:
        self._behind._ended(self, error)

    def lost(self, error: StoreDown) -> None:
        _log.error("%s: %d notes are lost: %s", self._behind._what, len(self.notes), error)
