"""The one thread that writes: group commit for those who wait, batches for those who do not.

The event loop hands jobs over; all that are there when the thread comes round go into one
transaction, and their owners are told on their own loop when it is on the disk (or was not possible).
Trouble is told within `PATIENCE` seconds even if the disk hangs; the file is opened again until it
works, and one line in the log marks the beginning and one the end.

Write-ahead log; `synchronous` is NORMAL: what was committed survives the death of the process, and
the last commits before a loss of power may be gone. A job that is `full` is committed with FULL and
survives that too.
"""

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from postward.state import StoreDown
from postward.store.database import Database, down, transaction
from postward.store.kept import TROUBLE, Kept

_log = logging.getLogger("postward.store")
T = TypeVar("T")

PATIENCE = 1.8
"""Seconds after which a caller is told that the store is down, whatever the disk does."""
_MOST_WAITING = 20_000
"""Jobs under way; more are refused at once, so that trouble does not eat the memory."""
_CLOSING = 5.0
_SOON = 0.05
"""Seconds after which a chore goes on that has more to do; jobs come first."""


class Job:
    """Something to be done in the thread. `full`: must survive a loss of power."""

    __slots__ = ("loop", "since")
    full = False
    loop: asyncio.AbstractEventLoop | None
    since: float

    def work(self, connection: sqlite3.Connection) -> None:
        """In the thread, inside a transaction. May be done again if that one fails."""
        raise NotImplementedError

    def end(self, error: StoreDown | None) -> None:
        """On the loop: it is committed, or it has failed for good."""

    def give_up(self, error: StoreDown) -> None:
        """On the loop: those who wait must not wait longer. `end` still follows."""

    def lost(self, error: StoreDown) -> None:
        """In the thread: the store closes and it could not be done, also on a fresh connection."""


_POKE = Job()


class Chore:
    """Something done now and then in a transaction of its own: `run(connection)`, when `due()` says so.

    `run` gives True when there is more to do, and is then called again soon. `committed` is called
    when what it did is on the disk.
    """

    __slots__ = ("committed", "every", "last", "more", "run", "urgent")

    def __init__(
        self,
        every: float,
        run: Callable[[sqlite3.Connection], bool],
        urgent: Callable[[], bool] | None = None,
        committed: Callable[[], None] | None = None,
    ) -> None:
        self.committed = committed
        self.every = every
        self.run = run
        self.urgent = urgent
        self.last = 0.0
        self.more = False

    def due(self, now: float) -> bool:
        return now - self.last >= self.every or (self.urgent is not None and self.urgent())


class Writer:
    """The thread and its connection. Begun with `start`, ended with `close`."""

    def __init__(self, database: Database, connection: sqlite3.Connection | None, name: str) -> None:
        self._kept = Kept(database, connection)  # the thread's
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._chores: list[Chore] = []
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._under_way: deque[Job] = deque()  # the loop's
        self._watch: asyncio.TimerHandle | None = None
        self._watched: asyncio.AbstractEventLoop | None = None
        self._worked = 0.0
        self._job_failed = False
        self._closed = False

    def start(self, *chores: Chore) -> None:
        """Begin to work; `chores` are done between jobs."""
        self._chores.extend(chores)
        self._thread.start()

    def close(self) -> None:
        """Finish what was handed over, then end. Waits for a few seconds at most."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
            self._thread.join(_CLOSING)

    # --- On the loop -----------------------------------------------------------------------------
    def submit(self, job: Job) -> None:
        """Hand a job over. Raises `StoreDown` when it cannot be taken."""
        loop = asyncio.get_running_loop()
        if loop is not self._watched:  # nobody waits on a loop that has ended
            self._under_way.clear()
            self._watched, self._watch = loop, None
        if self._closed or len(self._under_way) >= _MOST_WAITING:
            raise StoreDown("the store is closed" if self._closed else "too much waits for the disk")
        job.loop = loop
        job.since = time.monotonic()
        self._under_way.append(job)
        if self._watch is None:
            self._watch = loop.call_later(PATIENCE, self._look_after)
        self._jobs.put(job)

    def poke(self) -> None:
        """There is something for a chore. From any thread."""
        self._jobs.put(_POKE)

    def leave(self, job: Job) -> None:
        """Hand over a last job, for whose end nobody waits but `close`."""
        job.loop = None
        self._jobs.put(job)

    async def ask(self, do: Callable[[sqlite3.Connection], T], *, full: bool = False) -> T:
        """What `do(connection)` gives in the thread, once it is committed."""
        job = _Asked(do, full=full)
        self.submit(job)
        return await job.answer

    def _look_after(self) -> None:
        """Tell those who have waited for too long."""
        now = time.monotonic()
        self._watch = None
        assert self._watched is not None
        for job in self._under_way:
            if now - job.since < PATIENCE - 0.001:
                self._watch = self._watched.call_later(job.since + PATIENCE - now, self._look_after)
                return
            job.give_up(StoreDown(f"no answer from the disk in {PATIENCE} s"))

    def _ended(self, jobs: list[Job], error: StoreDown | None) -> None:
        for job in jobs:
            if self._under_way and self._under_way[0] is job:
                self._under_way.popleft()
            job.end(error)

    # --- In the thread ---------------------------------------------------------------------------
    def _run(self) -> None:
        more = True
        while more:
            more, jobs = self._gather()
            if jobs:
                self._do(jobs)
            if self._worked:
                self._do_chores(last=not more)
        self._kept.close()

    def _gather(self) -> tuple[bool, list[Job]]:
        """All jobs there are, or none when a chore is due; False when it is time to end."""
        jobs: list[Job] = []
        try:
            job = self._jobs.get(timeout=self._rest())
            while job is not None:
                self._worked = time.monotonic()
                if job is not _POKE:
                    jobs.append(job)
                job = self._jobs.get_nowait()
        except queue.Empty:
            return True, jobs
        return False, jobs

    def _rest(self) -> float | None:
        """Seconds until a chore is due; None: none has anything to do before the next job."""
        anyway = self._kept.troubled
        wanted = [
            chore.last + chore.every
            for chore in self._chores
            if anyway or chore.more or chore.last <= self._worked
        ]
        if not wanted:
            return None
        return max(0.01, min(wanted) - time.monotonic())

    def _do(self, jobs: list[Job]) -> None:
        """One transaction, and word to all who wait for it. A job with a fault fails alone."""
        try:
            error = self._commit(jobs)
            if error is not None and self._closed:  # nobody tries again
                self._kept.close()
                error = self._commit(jobs)
        except Exception as fault:  # noqa: BLE001  # the thread must live on: the fault is logged and told
            if len(jobs) > 1:
                for job in jobs:
                    self._do([job])
                return
            if isinstance(fault, StoreDown):  # the job's own word
                error = fault
            else:
                _log.exception("a fault in the store")
                error = StoreDown("a fault in the store, see the log")
        if error is not None and self._closed:
            for job in jobs:
                job.lost(error)
        first = jobs[0].loop
        for loop in {job.loop for job in jobs} if any(job.loop is not first for job in jobs) else (first,):
            if loop is None:
                continue
            try:
                loop.call_soon_threadsafe(self._ended, [job for job in jobs if job.loop is loop], error)
            except RuntimeError:  # the loop has ended, and with it all who waited
                _log.debug("an event loop ended before the store answered")

    def _commit(self, jobs: list[Job]) -> StoreDown | None:
        """The error when it was not possible."""
        try:
            connection = self._kept.open()
            if any(job.full for job in jobs):
                connection.execute("PRAGMA synchronous = FULL")
                try:
                    self._work(connection, jobs)
                finally:
                    connection.execute("PRAGMA synchronous = NORMAL")
            else:
                self._work(connection, jobs)
        except TROUBLE as error:
            self._job_failed = True
            self._kept.trouble(error)
            return down(error)
        self._job_failed = False
        self._kept.fine()
        return None

    def _work(self, connection: sqlite3.Connection, jobs: list[Job]) -> None:
        with transaction(connection):
            for job in jobs:
                job.work(connection)

    def _do_chores(self, *, last: bool) -> None:
        now = time.monotonic()
        for chore in self._chores:
            if last or chore.due(now):
                works = self._do_chore(chore)
                chore.last = now - chore.every + _SOON if chore.more else now
                if not works:
                    return  # the others would only wait for the same lock

    def _do_chore(self, chore: Chore) -> bool:
        """Whether the file took it."""
        chore.more = False
        try:
            connection = self._kept.open()
            with transaction(connection):
                chore.more = chore.run(connection)
            if chore.committed is not None:
                chore.committed()
        except TROUBLE as error:
            self._kept.trouble(error)
            return False
        except Exception:  # noqa: BLE001  # the thread must live on: the fault is logged
            _log.exception("a fault in a chore of the store")
        else:
            if not self._job_failed:  # it is for a job to show that jobs work again
                self._kept.fine()
        return True


class _Asked(Job, Generic[T]):
    """A job whose owner waits for a value."""

    __slots__ = ("_do", "_value", "answer", "full")
    _value: T

    def __init__(self, do: Callable[[sqlite3.Connection], T], *, full: bool) -> None:
        self._do = do
        self.full = full
        self.answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def work(self, connection: sqlite3.Connection) -> None:
        self._value = self._do(connection)

    def end(self, error: StoreDown | None) -> None:
        if not self.answer.done():
            if error is None:
                self.answer.set_result(self._value)
            else:
                self.answer.set_exception(error)

    def give_up(self, error: StoreDown) -> None:
        self.end(error)
