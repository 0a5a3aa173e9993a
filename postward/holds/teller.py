"""Telling people: each way (mail, webhook) at its own pace, tried again until it gets through.

A way that fails is logged once, and once when it works again. It holds up neither the mail nor the
other ways. What was told is noted with the ticket, so that a restart does not tell it again.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from postward.holds.notice import Notice, NotTold
from postward.printable import printable
from postward.rules.hold import HoldPolicy
from postward.state import Holds, StoreDown, Ticket
from postward.tools import Clock

_AGAIN = 60.0  # seconds until a way that failed is tried again
_ALARMS = 100  # that may wait; then the oldest go
_LONGEST_ALARM = 1_000
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
    """One way, and what is to go out on it: ticket id -> the reminder that is due, and alarms."""

    way: Way
    due: dict[str, tuple[Ticket, int]] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)
    alarms: deque[str] = field(default_factory=lambda: deque(maxlen=_ALARMS))
    not_before: float = 0.0
    fails: bool = False


class Teller:
    """Tells `ways` what is due."""

    def __init__(self, ways: Iterable[Way], clock: Clock) -> None:
        self._lines = [_Line(way) for way in ways]
        self._clock = clock

    def tell(self, text: str) -> None:
        """Tell people something else, such as a list that was switched off. Never waits, never raises."""
        for line in self._lines:
            line.alarms.extend(printable(each, _LONGEST_ALARM) for each in text.splitlines())

    def remind(self, waiting: Iterable[tuple[Ticket, int]]) -> None:
        """The tickets that wait now, each with the number of reminders that are due for it."""
        known = {ticket.id: (ticket, due) for ticket, due in waiting}
        for line in self._lines:
            line.due = {key: each for key, each in line.due.items() if key in known}
            line.told = {key: each for key, each in line.told.items() if key in known}
            for key, (ticket, due) in known.items():
                if key in line.due or due > line.told.get(key, ticket.reminded):
                    line.due[key] = ticket, due

    async def send(self, holds: Holds, policy: HoldPolicy) -> None:
        """Send what is due on every way whose pause is over, and note what was told."""
        await asyncio.gather(*(self._send(line, holds, policy) for line in self._lines))

    async def _send(self, line: _Line, holds: Holds, policy: HoldPolicy) -> None:
        now = self._clock.monotonic()
        if not (line.due or line.alarms) or now < line.not_before:
            return
        told, alarms = dict(line.due), tuple(line.alarms)
        tickets = tuple(ticket for ticket, _ in told.values())
        notice = Notice(tickets, alarms, self._clock.wall(), policy.seconds, policy.on_deadline)
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
        await self._note(line, told, holds)

    async def _note(self, line: _Line, told: dict[str, tuple[Ticket, int]], holds: Holds) -> None:
        for key, (ticket, due) in told.items():
            line.told[key] = due
            if line.due.get(key, (ticket, due))[1] <= due:
                line.due.pop(key, None)
            if due > ticket.reminded:
                try:
                    await holds.put_reminded(key, due)
                except StoreDown as error:
                    _log.warning("a reminder is not noted: %s", error)
