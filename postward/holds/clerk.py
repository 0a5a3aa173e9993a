"""The clerk: looks after the tickets beside the mail, in policyd.

Every two seconds it reads from the store which tickets are due, so that a restart loses nothing: it
has evidence cards made, people reminded, and decides what nobody decided in time. With each ticket the
store keeps when to look at it again, so that a flood of new domains costs no more than what is done.

How long a ticket has waited goes by the store's own time, and in a round in which the wall clock has
jumped nothing is decided: a clock that was set neither lets held mail in nor refuses it.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from postward.holds.card import make_card
from postward.holds.registry import Registry
from postward.holds.teller import Teller
from postward.rules.hold import HoldPolicy
from postward.state import BY_DEADLINE, StoreDown, Ticket
from postward.tools import Clock, Tools

CARDS = 4
"""Cards that are made at the same time."""
AT_ONCE = 300
"""Tickets that are looked at in one round, and told of in one notice: reading them takes 10 ms."""
_NEVER = 2.0**62
_PAUSE = 2.0
_JUMP = 60.0  # seconds by which wall clock and monotonic clock never part by themselves
_WITHOUT_CARD = 60.0  # seconds after which people are told of a ticket even without its card
_VERDICTS = {"accept": "approved", "reject": "denied"}
"""`on_deadline` -> what a ticket becomes; with quarantine and defer it goes on waiting for a person."""
_log = logging.getLogger("postward.holds")


def reminders_due(ticket: Ticket, policy: HoldPolicy, at: float) -> int:
    """How many notices there should have been `at` the store's own time: one when it opens, one at
    each time of `remind`.
    """
    age = at - ticket.since
    if not ticket.card and age < _WITHOUT_CARD:
        return 0
    return 1 + sum(age >= each for each in policy.remind)


@dataclass(frozen=True, slots=True)
class _Card:
    """A card that is being made, and the ticket as it was then."""

    ticket: Ticket
    task: asyncio.Task[Mapping[str, str]]


class Clerk:
    """Looks after the tickets of `tools().store` by `policy()`; both are asked anew in each round."""

    def __init__(
        self,
        tools: Callable[[], Tools],
        policy: Callable[[], HoldPolicy],
        teller: Teller,
        rdap: Registry | None = None,
        *,
        pause: float = _PAUSE,
    ) -> None:
        self._tools = tools
        self._policy = policy
        self._teller = teller
        self._rdap = rdap
        self._pause = pause
        self._cards: dict[str, _Card] = {}
        self._telling: asyncio.Task[None] | None = None
        self._store_fails = False
        self._looked_by: HoldPolicy | None = None
        self._ahead: float | None = None  # the wall clock of the monotonic one, in the last round

    async def run(self) -> None:
        """Look after tickets until cancelled."""
        try:
            while True:
                await self.round()
                await asyncio.sleep(self._pause)
        finally:
            await self.close()

    async def close(self) -> None:
        """Give up what is under way."""
        tasks = self._tasks()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._cards.clear()
        self._telling = None

    async def round(self) -> None:
        """One round. A store that is down is logged once; the next round tries again."""
        try:
            await self._round()
        except StoreDown as error:
            if not self._store_fails:
                _log.warning("held domains are not looked after: %s", error)
            self._store_fails = True
        else:
            self._store_fails = False

    async def settled(self) -> None:
        """Wait for cards and notices that are under way; a further round then writes them down."""
        await asyncio.gather(*self._tasks())

    def _tasks(self) -> list[asyncio.Task[Any]]:
        telling = [] if self._telling is None else [self._telling]
        return [*(each.task for each in self._cards.values()), *telling]

    async def _round(self) -> None:
        tools, policy = self._tools(), self._policy()
        holds, now = tools.store.holds, tools.clock.wall()
        at, jumped = holds.time(now), self._jumped(tools.clock)
        await self._put_cards(tools)
        if policy != self._looked_by:  # the times of all were worked out by another one
            await holds.put_all_due()
            self._looked_by = policy
        waiting = await holds.due(now=now, limit=AT_ONCE)
        if policy.on_deadline in _VERDICTS and not jumped:
            over = [each for each in waiting if policy.is_over(each, at)]
            await asyncio.gather(*(self._settle(each, tools, policy.on_deadline) for each in over))
            waiting = tuple(each for each in waiting if not policy.is_over(each, at))
        self._begin_cards(waiting, tools)
        due = [(each, reminders_due(each, policy, at)) for each in waiting]
        self._begin_telling(due, tools, policy)
        if due:
            await holds.put_due({each.id: self._next_look(each, count, policy, at) for each, count in due})

    def _jumped(self, clock: Clock) -> bool:
        """Whether the wall clock was set since the last round."""
        before, self._ahead = self._ahead, clock.wall() - clock.monotonic()
        return before is not None and abs(self._ahead - before) > _JUMP

    def _begin_telling(self, due: list[tuple[Ticket, int]], tools: Tools, policy: HoldPolicy) -> None:
        if self._telling is not None:
            if not self._telling.done():
                return
            self._telling.result()
        self._telling = asyncio.create_task(self._teller.send(due, tools.store.holds, policy))

    def _next_look(self, ticket: Ticket, due: int, policy: HoldPolicy, at: float) -> float:
        """When there may be something to do for the ticket again (the store's own time)."""
        settles = policy.on_deadline in _VERDICTS
        if not ticket.card or (settles and policy.is_over(ticket, at)):
            return at + self._pause
        untold = self._teller.untold(ticket, due)
        if untold is not None:
            return at + max(untold, self._pause)
        ends = (policy.seconds,) if settles else ()
        later = [each for each in (*policy.remind, *ends) if at - ticket.since < each]
        return ticket.since + min(later) if later else _NEVER

    async def _settle(self, ticket: Ticket, tools: Tools, on_deadline: str) -> None:
        """Decide in the name of the deadline, unless a person was faster."""
        verdict = _VERDICTS[on_deadline]
        decided = await tools.store.holds.decide(
            ticket.id,
            verdict,
            now=tools.clock.wall(),
            by=BY_DEADLINE,
            note=f"on_deadline: {on_deadline}",
            only_if="waiting",
        )
        if decided is not None:
            _log.info("ticket %s for %s: %s by the deadline", ticket.id, ticket.domain, verdict)

    def _begin_cards(self, tickets: Sequence[Ticket], tools: Tools) -> None:
        """The most overdue first."""
        for ticket in tickets:
            if len(self._cards) >= CARDS:
                return
            if not ticket.card and ticket.id not in self._cards:
                task = asyncio.create_task(make_card(ticket, tools, self._rdap))
                self._cards[ticket.id] = _Card(ticket, task)

    async def _put_cards(self, tools: Tools) -> None:
        """But none about a knock that another took the place of meanwhile."""
        for key, made in [(key, made) for key, made in self._cards.items() if made.task.done()]:
            ticket = await tools.store.holds.find(key)
            if ticket is not None and ticket.verified[:1] == made.ticket.verified[:1]:
                await tools.store.holds.put_card(key, made.task.result())
            del self._cards[key]
