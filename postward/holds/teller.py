"""Telling people: each way (mail, webhook) at its own pace, tried again until it gets through.

A way that fails is logged once, and once when it works again. It holds up neither the mail nor the
other ways. What was told by which way is noted with the ticket, so that after a restart nothing is
told twice and nothing is lost.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from postward.holds.notice import Notice, NotTold
from postward.printable import printable
from postward.rules.hold import HoldPolicy
from postward.state import Holds, StoreDown, Ticket
from postward.tools import Clock

_AGAIN = 60.0  # seconds until a way that failed is tried again
AT_ONCE = 50
"""Tickets of one notice, the oldest ones; the others come with the next."""
_ALARMS = 100  # that may wait; then the oldest go
_LONGEST_ALARM = 1_000
_MOST_TOLD = 10_000  # tickets that the store could not be told of
_log = logging.getLogger("postward.holds")


class Way(Protocol):
    """A way to tell people."""

    @property
    def name(self) -> str: ...

    @property
    def pause(self) -> float:
        """Seconds between two notices at least."""

    async def send(self, notice: Notice) -> None:
        """Raises NotTold."""


@dataclass(slots=True)
class _Line:
    """One way. `told`: ticket id -> reminders that went out and could not be noted with the ticket."""

    way: Way
    told: dict[str, int] = field(default_factory=dict)
    alarms: deque[str] = field(default_factory=lambda: deque(maxlen=_ALARMS))
    not_before: float = 0.0
    fails: bool = False

    def lacks(self, ticket: Ticket, due: int) -> bool:
        """Whether fewer than `due` reminders of the ticket went out this way."""
        return due > max(self.told.get(ticket.id, 0), ticket.reminded.get(self.way.name, 0))


class Teller:
    """Tells `ways` what is due."""

    def __init__(self, ways: Iterable[Way], clock: Clock) -> None:
        self._lines = [_Line(way) for way in ways]
        self._clock = clock

    def tell(self, text: str) -> None:
        """Tell people something else, such as a list that was switched off. Never waits, never raises."""
        for line in self._lines:
            line.alarms.extend(printable(each, _LONGEST_ALARM) for each in text.splitlines())

    def untold(self, ticket: Ticket, due: int) -> float | None:
        """Seconds until a way may tell a reminder that is due and that it has not told; None: all have."""
        now = self._clock.monotonic()
        waits = [max(0.0, line.not_before - now) for line in self._lines if line.lacks(ticket, due)]
        return min(waits, default=None)

    async def send(self, waiting: Sequence[tuple[Ticket, int]], holds: Holds, policy: HoldPolicy) -> None:
        """Tell every way whose pause is over what it has not told, and note that with the tickets.

        `waiting`: tickets, each with the number of reminders that are due for it.
        """
        await asyncio.gather(*(self._send(line, waiting, holds, policy) for line in self._lines))

    async def _send(
        self, line: _Line, waiting: Sequence[tuple[Ticket, int]], holds: Holds, policy: HoldPolicy
    ) -> None:
        lacking = [(ticket, count) for ticket, count in waiting if line.lacks(ticket, count)]
        due = sorted(lacking, key=lambda each: each[0].since)[:AT_ONCE]
        if not (due or line.alarms) or self._clock.monotonic() < line.not_before:
            return
        alarms, tickets = tuple(line.alarms), tuple(ticket for ticket, _ in due)
        more = len(lacking) - len(due)
        notice = Notice(tickets, alarms, self._clock.wall(), policy.seconds, policy.on_deadline, more)
        try:
            await line.way.send(notice)
        except NotTold as error:
            line.not_before = self._clock.monotonic() + _AGAIN
            if not line.fails:
                _log.warning("notices by %s fail, trying on: %s", line.way.name, printable(str(error)))
            line.fails = True
            return
        if line.fails:
            _log.warning("notices by %s get through again", line.way.name)
        line.fails = False
        line.not_before = self._clock.monotonic() + line.way.pause
        line.alarms = deque((each for each in line.alarms if each not in alarms), _ALARMS)
        await self._note(line, due, holds)

    async def _note(self, line: _Line, told: Sequence[tuple[Ticket, int]], holds: Holds) -> None:
        """Trouble in the store is logged once a notice; until a restart memory knows what was told."""
        trouble: StoreDown | None = None
        for ticket, count in told:
            line.told[ticket.id] = count
            if trouble is not None:
                continue
            try:
                await holds.put_reminded(ticket.id, line.way.name, count)
            except StoreDown as error:
                trouble = error
            else:
                del line.told[ticket.id]
        for key in list(line.told)[:-_MOST_TOLD]:
            del line.told[key]
        if trouble is not None:
            _log.warning("a reminder is not noted: %s", trouble)
