"""Counting in windows of time: never more than the limit in any span of a window's length.

A window is cut into `SLICES` slices. A slice counts until it lies a whole window back, so what was
booked counts for a window's length and at most one slice (1/60) longer: a limit of 60 in an hour is
never exceeded in any 3,600 seconds, and room comes back within 61 minutes.

Time is in ticks of 1/60 second; a slice of a window of `seconds` seconds is just `seconds` ticks
long, so that all of it is exact whole-number arithmetic.
"""

from collections.abc import Iterable
from functools import lru_cache

from postward.state import Count, Window

SLICES = 60
TICKS = 60
"""Ticks in a second."""
_NEVER = 1 << 62


class Ring:
    """What was booked in a window of `seconds`: `used` in all, and pairs (slice, amount) in `marks`.

    `stale`: the tick at which the oldest slice does not count any more; `ends`: the tick at which the
    newest slice ends. With these two most bookings look at no slice at all.
    """

    __slots__ = ("ends", "marks", "seconds", "stale", "used")

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        self.used = 0
        self.marks: list[int] = []
        self.stale = _NEVER
        self.ends = 0

    def expire(self, ticks: int) -> None:
        """Let go of what lies a whole window back."""
        marks = self.marks
        oldest = ticks // self.seconds - SLICES
        while marks and marks[0] < oldest:
            self.used -= marks[1]
            del marks[:2]
        self.stale = (marks[0] + SLICES + 1) * self.seconds if marks else _NEVER
        if not marks:
            self.ends = 0

    def book(self, ticks: int, amount: int) -> None:
        """Count `amount` at `ticks`, which is never earlier than what was booked before."""
        self.used += amount
        if ticks < self.ends:
            self.marks[-1] += amount
            return
        mark = ticks // self.seconds
        if not self.marks:
            self.stale = (mark + SLICES + 1) * self.seconds
        self.marks += (mark, amount)
        self.ends = (mark + 1) * self.seconds

    def unbook(self, ticks: int, amount: int) -> None:
        """Take back what was booked at `ticks`, unless it has expired."""
        mark = ticks // self.seconds
        for index in range(0, len(self.marks), 2):
            if self.marks[index] == mark:
                self.marks[index + 1] -= amount
                self.used -= amount
                return

    def free_in(self, ticks: int, over: int) -> float:
        """Seconds until `over` of what is booked has gone. More than there is: the whole window."""
        for index in range(0, len(self.marks), 2):
            over -= self.marks[index + 1]
            if over <= 0:
                gone = (self.marks[index] + SLICES + 1) * self.seconds
                return (gone - ticks) / TICKS
        return float(self.seconds)


class Account:
    """The rings of one key, a few at most. `held` are those of `plan`, in its order, from the last hit."""

    __slots__ = ("held", "plan", "rings")

    def __init__(self) -> None:
        self.rings: list[Ring] = []
        self.plan: object = None
        self.held: list[Ring] = []

    def ring(self, seconds: int) -> Ring:
        """The ring for windows of `seconds`, made when there is none."""
        for ring in self.rings:
            if ring.seconds == seconds:
                return ring
        ring = Ring(seconds)
        self.rings.append(ring)
        return ring


def account_from(rows: Iterable[tuple[int, int, int]], ticks: int) -> Account:
    """An account from sorted rows (seconds, slice, amount). A slice from the future counts from now."""
    account = Account()
    for seconds, mark, amount in rows:
        account.ring(seconds).book(min(mark * seconds, ticks), amount)
    return account


@lru_cache(maxsize=4096)
def _room(used: int) -> Count:
    return Count(True, used, 0.0)


def count(ring: Ring, window: Window, granted: bool, amount: int, ticks: int) -> Count:
    """What to tell of one window after a hit of `amount`.

    Refused: `free_in` is when this amount would fit (an amount above the limit never does: the whole
    window). Granted: when one more would fit.
    """
    used = ring.used
    if granted:
        if used < window.limit:
            return _room(used)
        return Count(True, used, ring.free_in(ticks, used + 1 - window.limit))
    if amount > window.limit:
        return Count(False, used, float(window.seconds))
    return Count(False, used, ring.free_in(ticks, used + amount - window.limit))
