"""The clerk: looks after the tickets beside the mail, in policyd.

Every two seconds it reads from the store what waits, so that a restart loses nothing: it has evidence
cards made, people reminded, and decides what nobody decided in time. Where very many wait (a flood
of new domains) it looks through all of them only once a minute: reading a thousand takes 30 ms.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from postward.holds.card import make_card
from postward.holds.registry import Registry
from postward.holds.teller import Teller
from postward.rules.hold import BY_DEADLINE, HoldPolicy
from postward.state import StoreDown, Ticket
from postward.tools import Tools

CARDS = 4
"""Cards that are made at the same time."""
MOST_WAITING = 1_000
"""Tickets that people are reminded of, the newest; the deadline of others holds when they knock."""
FEW = 100
"""Tickets that are read in every round."""
_ALL_EVERY = 30  # rounds
_PAUSE = 2.0
_WITHOUT_CARD = 60.0  # seconds after which people are told of a ticket even without its card
_VERDICTS = {"accept": "approved", "reject": "denied"}
"""`on_deadline` -> what a ticket becomes; with quarantine and defer it goes on waiting for a person."""
_log = logging.getLogger("postward.holds")


def reminders_due(ticket: Ticket, policy: HoldPolicy, now: float) -> int:
    """How many notices there should have been: one when it opens, one at each time of `remind`."""
    age = now - ticket.opened
    if not ticket.card and age < _WITHOUT_CARD:
        return 0
    return 1 + sum(age >= each for each in policy.remind)


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
        self._cards: dict[str, asyncio.Task[Mapping[str, str]]] = {}
        self._telling: asyncio.Task[None] | None = None
        self._store_fails = False
        self._rounds = 0

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
        tasks = [*self._cards.values(), *([self._telling] if self._telling is not None else [])]
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
        tasks = [*self._cards.values(), *([self._telling] if self._telling is not None else [])]
        await asyncio.gather(*tasks)

    async def _round(self) -> None:
        tools, policy = self._tools(), self._policy()
        await self._put_cards(tools)
        waiting = await tools.store.holds.tickets("waiting", limit=FEW)
        if len(waiting) == FEW:
            self._rounds += 1
            if self._rounds % _ALL_EVERY != 1:
                self._begin_cards(list(waiting), tools)
                return
            waiting = await tools.store.holds.tickets("waiting", limit=MOST_WAITING)
        await self._look_through(waiting, tools, policy)

    async def _look_through(self, waiting: Sequence[Ticket], tools: Tools, policy: HoldPolicy) -> None:
        """Cards, deadlines and reminders of all that wait."""
        now = tools.clock.wall()
        open_ones = []
        for ticket in waiting:
            if policy.is_over(ticket, now) and policy.on_deadline in _VERDICTS:
                await self._settle(ticket, tools, policy.on_deadline)
            else:
                open_ones.append(ticket)
        self._begin_cards(open_ones, tools)
        self._teller.remind((each, reminders_due(each, policy, now)) for each in open_ones)
        if self._telling is None or self._telling.done():
            if self._telling is not None:
                self._telling.result()
            self._telling = asyncio.create_task(self._teller.send(tools.store.holds, policy))

    async def _settle(self, ticket: Ticket, tools: Tools, on_deadline: str) -> None:
        """Decide in the name of the deadline, unless a person was faster."""
        holds = tools.store.holds
        current = await holds.find(ticket.id)
        if current is None or current.verdict != "waiting":
            return
        verdict, now = _VERDICTS[on_deadline], tools.clock.wall()
        await holds.decide(ticket.id, verdict, now=now, by=BY_DEADLINE, note=f"on_deadline: {on_deadline}")
        _log.info("ticket %s for %s: %s by the deadline", ticket.id, ticket.domain, verdict)

    def _begin_cards(self, tickets: list[Ticket], tools: Tools) -> None:
        """The oldest first: they have waited longest."""
        for ticket in reversed(tickets):
            if len(self._cards) >= CARDS:
                return
            if not ticket.card and ticket.id not in self._cards:
                self._cards[ticket.id] = asyncio.create_task(make_card(ticket, tools, self._rdap))

    async def _put_cards(self, tools: Tools) -> None:
        for key in [key for key, task in self._cards.items() if task.done()]:
            await tools.store.holds.put_card(key, self._cards[key].result())
            del self._cards[key]
