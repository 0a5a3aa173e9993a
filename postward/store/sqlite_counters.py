"""Counters in memory; every booking is in a log before it is answered, and in SQLite some seconds later.

A booking is one line of the log (`postward.store.hit_log`): no answered booking is lost when the
process dies; a loss of power may lose the last ones (a limit that gives a little more, once). What
they add up to in each slice is kept in memory, and now and then folded into the table `counts`, from
where a key that left memory is read again: a key that is hit a thousand times is written once. The
log is read when memory does not know what `counts` lacks: at the start, when a transaction failed,
and when the file was replaced. After a restart it tells also which instances were answered already.

Memory is what counts, so one process at a time may count in a file: the first that books takes a
lock, all others get `StoreDown` until it ends.
"""

import fcntl
import os
import sqlite3
import threading
import time

from postward.state import Count, StoreDown, Window
from postward.store.database import Database, open_lock, write_rows
from postward.store.hit_log import HitLog, Place, windows_of
from postward.store.ledger import MAX_KEYS, Ledger
from postward.store.reader import Reader
from postward.store.text import MAX_KEY, stored_key
from postward.store.timeline import Timeline
from postward.store.windows import SLICES, TICKS, Account, account_from
from postward.store.writer import Writer

_AT_ONCE = 500
FOLD_EVERY = 5.0
"""Seconds between two folds."""
_FOLD_AT = 4_000
"""Slices booked in, for each key and window, that are folded without waiting for that."""
_MOST_SUMS = 50_000
"""Slices in memory; with more (the disk takes nothing) they are dropped, and read from the log later."""
_FOLD_MOST = 5_000
"""Bookings of the log that one transaction folds, so that nobody waits long for it."""

Slot = tuple[str, int, int]
"""Key, seconds of the window, slice."""
_NOT_OURS = "another process counts in this file"
_ASK_AGAIN = 1.0

_FIND = "SELECT seconds, slice, used FROM counts WHERE key = ? ORDER BY seconds, slice"
_ADD = (
    "INSERT INTO counts (key, seconds, slice, used, expires) VALUES {}"
    " ON CONFLICT (key, seconds, slice) DO UPDATE SET used = used + excluded.used"
)
_FORGET = (
    "DELETE FROM counts WHERE (key, seconds, slice) IN"
    " (SELECT key, seconds, slice FROM counts WHERE expires < ? LIMIT ?)"
)


class SqliteCounters:
    """`postward.tools.Counters`."""

    def __init__(self, database: Database, writer: Writer, reader: Reader, timeline: Timeline) -> None:
        self._database = database
        self._writer = writer
        self._reader = reader
        self._timeline = timeline
        self._ledger = Ledger(self._may_forget)
        self._log = HitLog(database.path)
        self._guard = threading.Lock()  # a line of the log and its part of the sums are one
        self._sums: dict[Slot, int] = {}
        self._since: Place | None = None  # what was booked after this is in the sums; None: not all of it
        self._written = 0
        self._folded = 0  # so many of them, at least, are in `counts`
        self._sealed = 0
        self._poke_at = 0
        self._reached = 0  # the thread's: `_folded` once the fold under way is committed
        self._begged = False
        self._look_at_log = False
        self._lock: int | None = None
        self._ours = False
        self._replayed = False
        self._refused_until = 0.0

    @property
    def much_to_fold(self) -> bool:
        """Whether folding should not wait."""
        return self._begged or len(self._sums) >= _FOLD_AT

    async def hit(
        self, key: str, windows: tuple[Window, ...], amount: int, *, now: float, instance: str
    ) -> tuple[Count, ...]:
        if not self._ours:
            await self._take_over()
        if len(instance) > MAX_KEY or not (instance.isascii() and instance.isprintable()):
            instance = stored_key(instance)
        account = self._ledger.accounts.get(hash(key))
        if account is None:  # new, or not stored as it is
            key = stored_key(key)
            account = self._ledger.accounts.get(hash(key)) or await self._recall(key, hash(key), now)
        ticks = int(self._timeline.at(now) * TICKS)
        counts, booked = self._ledger.book(key, account, windows, amount, ticks, instance)
        if booked:
            self._write(key, account, booked, amount, ticks, instance)
        return counts

    def close(self) -> None:
        """Let other processes count."""
        self._log.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _write(self, key: str, account: Account, booked: str, amount: int, ticks: int, instance: str) -> None:
        """Put a booking into the log, or take it back."""
        try:
            with self._guard:
                if self._look_at_log:
                    self._look_at_log = False
                    self._log.check()
                self._log.write(ticks, amount, booked, instance, key)
                self._written += 1
                sums = self._sums
                for seconds in windows_of(booked):
                    slot = (key, seconds, ticks // seconds)
                    sums[slot] = sums.get(slot, 0) + amount
        except StoreDown:
            self._ledger.undo(key, account, booked, amount, ticks, instance)
            raise
        if len(sums) > self._poke_at:
            self._wake(len(sums))

    def _wake(self, slots: int) -> None:
        """Something is to be folded, or much is; forget what only the log has room for."""
        if slots > _MOST_SUMS:
            with self._guard:
                self._sums, self._since, slots = {}, None, 0
        self._poke_at = slots + _FOLD_AT
        self._writer.poke()

    async def _recall(self, key: str, mark: int, now: float) -> Account:
        """What was folded of a key that is not in memory (all of it was, before it could leave)."""
        if len(self._ledger.accounts) >= 4 * MAX_KEYS:
            raise StoreDown("too many keys wait for the disk")
        rows = self._reader.rows(_FIND, (key,))
        if rows is None:
            rows = await self._reader.wait_for_rows(_FIND, (key,))
        account = self._ledger.accounts.get(mark)  # another hit may have been faster
        if account is None:
            account = account_from(rows, int(self._timeline.at(now) * TICKS))
            self._ledger.accounts.put(mark, account)
        return account

    def _may_forget(self) -> bool:
        """Whether the older half of the keys is in `counts`; if so, the younger becomes the older."""
        if self._folded < min(self._sealed, self._written):
            if not self._begged:
                self._begged = True
                self._writer.poke()
            return False
        self._sealed = self._written + 1  # who asks has a key there, and is about to book
        return True

    # --- Taking over -----------------------------------------------------------------------------
    async def _take_over(self) -> None:
        """Become the process that counts, with what the last one left."""
        if time.monotonic() < self._refused_until:
            raise StoreDown(_NOT_OURS)
        while await self._writer.ask(self._begin):
            pass
        self._ours = True

    def _begin(self, connection: sqlite3.Connection) -> bool:
        """In the thread: take the lock, remember whom the last one answered, fold what is left.

        True when there is more to fold.
        """
        if self._lock is None:
            lock = open_lock(self._database.path, "counters")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                self._refused_until = time.monotonic() + _ASK_AGAIN
                raise StoreDown(_NOT_OURS) from None
            self._lock = lock
        if not self._replayed:  # nothing else uses the ledger before this is done
            self._replayed = True
            for hits, _ in self._log.hits_after(Place(0, 0)):
                for _, _, booked, instance, key in hits:
                    if instance:
                        self._ledger.replay(key, instance, frozenset(booked))
        return self.fold(connection)

    # --- In the thread ---------------------------------------------------------------------------
    def fold(self, connection: sqlite3.Connection) -> bool:
        """Add to `counts` what it has not; True when there is more. A chore."""
        if self._lock is None:
            return False
        before = Place(*connection.execute("SELECT serial, end FROM folded").fetchone())
        with self._guard:
            sums, since, written = self._sums, self._since, self._written
            upto = self._log.place or since  # neither: to the end of what the last process left
            self._sums, self._since = {}, upto
            self._poke_at, self._begged, self._look_at_log = 0, False, True
            self._log.folded(before)
        more, place = False, upto or before
        if before != since:
            sums, place, more = self._sums_of_log(before, upto)
            if upto is None and not more:
                self._since = place  # nobody books before this is told
        values: list[str | int] = []
        for (key, seconds, mark), amount in sums.items():
            values += (key, seconds, mark, amount, (mark + SLICES + 1) * seconds * 1000 // TICKS)
        write_rows(connection, _ADD, values, 5)
        if place != before:
            connection.execute("UPDATE folded SET serial = ?, end = ?", place)
        self._reached = self._folded if more else written
        return more

    def _sums_of_log(self, before: Place, upto: Place | None) -> tuple[dict[Slot, int], Place, bool]:
        """What was booked between two places, how far that is, and whether there is more."""
        sums: dict[Slot, int] = {}
        place, room = before, _FOLD_MOST
        for hits, place in self._log.hits_after(before, upto):  # the last one is given
            for ticks, amount, booked, _, key in hits:
                for seconds in booked:
                    slot = (key, seconds, ticks // seconds)
                    sums[slot] = sums.get(slot, 0) + amount
            room -= len(hits)
            if room <= 0:
                return sums, place, True
        return sums, upto or place, False

    def fold_committed(self) -> None:
        """What the last `fold` did is on the disk."""
        self._folded = self._reached

    def forget(self, connection: sqlite3.Connection, at: int) -> bool:
        """Delete some of what does not count any more at `at` (ms); True when there may be more. A chore."""
        return connection.execute(_FORGET, (at, _AT_ONCE)).rowcount == _AT_ONCE
