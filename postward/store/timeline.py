"""The store's own time: a line of seconds that never runs backward, whatever the wall clock does.

Rows are stamped with it instead of the wall clock, so that a clock set hours back or forward neither
lengthens a wait nor empties a limit nor lets the whole greylist expire. Tickets have both: the wall clock
for people, this time for their age.

With a `steady` clock (one that only grows, also while the machine sleeps) the line follows that one
alone and the caller's `now` is used once, to begin. Without one, `now` is all there is: a step back
stops the line for that moment and it goes on from there; a step forward cannot be told from an idle
hour and is believed.

After a restart the line goes on where it was saved, plus the downtime as the wall clock tells it,
which is never taken as negative. A jump forward of the wall clock during that time is believed.
"""

import functools
import time
from collections.abc import Callable

_SET_BACK = 60.0
"""A `now` this many seconds earlier than the latest means a clock set back, not a slow caller."""


since_boot: Callable[[], float] = functools.partial(time.clock_gettime, time.CLOCK_BOOTTIME)
"""Seconds since the machine started, sleep included."""


class Timeline:
    """`latest`: where the line is; `wall`: the wall clock that was heard last. Both in seconds."""

    __slots__ = ("_ahead", "_steady", "latest", "wall")

    def __init__(self, steady: Callable[[], float] | None = None) -> None:
        self._steady = steady
        self._ahead: float | None = None
        self.latest = self.wall = 0.0

    def resume(self, latest: float, wall: float) -> None:
        """Go on from a line saved at `latest` when the wall clock showed `wall`. Before the first `at`."""
        self.latest, self.wall = latest, wall

    def at(self, now: float) -> float:
        """The line's time for a caller whose wall clock shows `now`."""
        if self._ahead is None:
            self._begin(now)
        elif self._steady is not None:
            self.wall = now
            self.latest = self._steady() + self._ahead
        elif now >= self.wall:
            self.latest += now - self.wall
            self.wall = now
        elif now < self.wall - _SET_BACK:
            self.wall = now
        return self.latest

    def milliseconds(self, now: float) -> int:
        """The same in whole milliseconds, as rows are stamped."""
        return round(self.at(now) * 1000)

    def _begin(self, now: float) -> None:
        self.latest = self.latest + max(0.0, now - self.wall) if self.latest else now
        self.wall = now
        self._ahead = self.latest - self._steady() if self._steady is not None else 0.0
