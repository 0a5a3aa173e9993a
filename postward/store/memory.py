"""A store in memory: for tests, for `postward explain`, and for a site that needs no state.

The same arithmetic as the durable stores; nothing outlives the process, and nothing ever waits.
"""

import secrets
from collections.abc import Callable
from dataclasses import replace

from postward.state import Count, Meeting, Ticket, Window
from postward.store import triplets
from postward.store.generations import Generations
from postward.store.ledger import Ledger
from postward.store.timeline import Timeline
from postward.store.windows import TICKS, Account

_MAX_TICKETS = 10_000
_VERDICTS = frozenset({"waiting", "approved", "denied"})


class MemoryStore:
    """`postward.tools.Store`, bounded: what was not asked for the longest is forgotten."""

    def __init__(self, *, steady: Callable[[], float] | None = None) -> None:
        timeline = Timeline(steady)
        self.greylist = MemoryGreylist(timeline)
        self.counters = MemoryCounters(timeline)
        self.holds = MemoryHolds()

    def close(self) -> None:
        """Nothing to let go of."""


class MemoryGreylist:
    """`postward.tools.Greylist`."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._entries: Generations[bytes] = Generations(200_000)

    async def meet(self, key: str, *, now: float, delay: float, window: float, keep: float) -> Meeting:
        mark = hash(key)
        at = int(self._timeline.at(now) * 1000)
        entry, meeting = triplets.meet(self._entries.get(mark), at, delay, window, keep)
        self._entries.put(mark, entry)
        return meeting


class MemoryCounters:
    """`postward.tools.Counters`."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._ledger = Ledger()

    async def hit(
        self, key: str, windows: tuple[Window, ...], amount: int, *, now: float, instance: str
    ) -> tuple[Count, ...]:
        mark = hash(key)
        account = self._ledger.accounts.get(mark)
        if account is None:
            account = Account()
            self._ledger.accounts.put(mark, account)
        ticks = int(self._timeline.at(now) * TICKS)
        return self._ledger.book(key, account, windows, amount, ticks, instance)[0]


class MemoryHolds:
    """`postward.tools.Holds`."""

    def __init__(self) -> None:
        self._by_domain: dict[str, Ticket] = {}

    async def meet(self, domain: str, *, now: float, evidence: str) -> Ticket:
        domain = domain.lower()
        held = self._by_domain.pop(domain, None)
        if held is None:
            if len(self._by_domain) >= _MAX_TICKETS:
                del self._by_domain[next(iter(self._by_domain))]
            ticket = Ticket(secrets.token_hex(4), domain, "waiting", now, now, 1, evidence)
        else:
            last_seen, evidence = max(held.last_seen, now), held.evidence or evidence
            ticket = replace(held, attempts=held.attempts + 1, last_seen=last_seen, evidence=evidence)
        self._by_domain[domain] = ticket
        return ticket

    async def find(self, ticket_or_domain: str) -> Ticket | None:
        wanted = ticket_or_domain.lower()
        return next((each for each in self._by_domain.values() if wanted in (each.id, each.domain)), None)

    async def decide(self, ticket_id: str, verdict: str, *, now: float, by: str, note: str) -> Ticket | None:
        if verdict not in _VERDICTS:
            raise ValueError(f"a ticket is waiting, approved or denied, not {verdict!r}")
        held = next((each for each in self._by_domain.values() if each.id == ticket_id.lower()), None)
        if held is None:
            return None
        ticket = self._by_domain[held.domain] = replace(held, verdict=verdict, decided_by=by, note=note)
        return ticket

    async def tickets(self, verdict: str | None = None, *, limit: int = 100) -> tuple[Ticket, ...]:
        chosen = [each for each in self._by_domain.values() if verdict in (None, each.verdict)]
        return tuple(sorted(chosen, key=lambda each: each.opened, reverse=True)[:limit])
