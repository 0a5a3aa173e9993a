"""Holds in memory: tickets and words, bounded."""

import secrets
from collections.abc import Mapping
from dataclasses import replace

from postward.state import Ticket, Word
from postward.store import tickets
from postward.store.text import stored
from postward.store.timeline import Timeline

_MAX_TICKETS = 10_000


class MemoryHolds:
    """`postward.state.Holds`."""

    def __init__(self, timeline: Timeline | None = None) -> None:
        self._timeline = timeline or Timeline()
        self._by_domain: dict[str, Ticket] = {}
        self._words: dict[tuple[str, str], Word] = {}
        self._due: dict[str, float] = {}  # by ticket id; not there: at once

    def time(self, now: float) -> float:
        return self._timeline.at(now)

    async def meet(
        self, domain: str, *, now: float, evidence: str, knock: Mapping[str, str], verified: bool = False
    ) -> Ticket:
        domain = stored(domain.lower(), tickets.MAX_DOMAIN)
        attempt = tickets.Attempt(now, self.time(now), evidence, knock, verified)
        held = self._by_domain.pop(domain, None)
        if held is None:
            if len(self._by_domain) >= _MAX_TICKETS:
                oldest = self._by_domain.pop(next(iter(self._by_domain)))
                self._due.pop(oldest.id, None)
            ticket = tickets.open_ticket(secrets.token_hex(4), domain, attempt)
        else:
            ticket = tickets.join_ticket(held, attempt)
            if ticket.verdict != held.verdict or ticket.verified[:1] != held.verified[:1]:
                self._due.pop(ticket.id, None)
        self._by_domain[domain] = ticket
        return ticket

    async def find(self, ticket_or_domain: str) -> Ticket | None:
        wanted = stored(ticket_or_domain.lower(), tickets.MAX_DOMAIN)
        return self._by_id(wanted) or self._by_domain.get(wanted)

    async def decide(
        self,
        ticket_id: str,
        verdict: str,
        *,
        now: float,
        by: str,
        note: str,
        until: float | None = None,
        only_if: str | None = None,
    ) -> Ticket | None:
        tickets.check_verdict(verdict)
        held = self._by_id(ticket_id.lower())
        if held is None or only_if not in (None, held.verdict):
            return None
        ticket = self._by_domain[held.domain] = tickets.decide_ticket(held, verdict, now, by, note, until)
        self._due.pop(ticket.id, None)
        return ticket

    async def tickets(self, verdict: str | None = None, *, limit: int = 100) -> tuple[Ticket, ...]:
        chosen = [each for each in self._by_domain.values() if verdict in (None, each.verdict)]
        return tuple(sorted(chosen, key=lambda each: each.opened, reverse=True)[:limit])

    async def put_card(self, ticket_id: str, card: Mapping[str, str]) -> None:
        held = self._by_id(ticket_id.lower())
        if held is not None:
            self._by_domain[held.domain] = replace(held, card=tickets.bounded(card))

    async def put_reminded(self, ticket_id: str, way: str, reminded: int) -> None:
        held = self._by_id(ticket_id.lower())
        if held is not None:
            self._by_domain[held.domain] = tickets.remind_ticket(held, way, reminded)

    async def due(self, *, now: float, limit: int) -> tuple[Ticket, ...]:
        waiting = [each for each in self._by_domain.values() if each.verdict == "waiting"]
        at = self.time(now)
        chosen = [each for each in waiting if self._due.get(each.id, 0.0) <= at]
        chosen.sort(key=lambda each: (self._due.get(each.id, 0.0), each.opened))
        return tuple(chosen[:limit])

    async def put_due(self, times: Mapping[str, float]) -> None:
        there = {each.id for each in self._by_domain.values()}
        self._due.update({ticket_id: at for ticket_id, at in times.items() if ticket_id in there})

    async def put_all_due(self) -> None:
        self._due.clear()

    async def say(self, word: Word) -> None:
        key = word.kind, word.value.lower()
        if key not in self._words:
            self._words = {key: each for key, each in self._words.items() if not _is_over(each, word.at)}
            tickets.check_room(len(self._words))
        self._words[key] = replace(word, value=key[1])

    async def unsay(self, kind: str, value: str) -> bool:
        return self._words.pop((kind, value.lower()), None) is not None

    async def words(self, keys: tuple[tuple[str, str], ...], *, now: float) -> tuple[Word, ...]:
        found = [self._words.get((kind, value.lower())) for kind, value in keys] if self._words else []
        return tuple([word for word in found if word is not None and not _is_over(word, now)])

    async def all_words(self, *, limit: int = 1_000) -> tuple[Word, ...]:
        return tuple(sorted(self._words.values(), key=lambda word: word.at, reverse=True)[:limit])

    def _by_id(self, ticket_id: str) -> Ticket | None:
        return next((each for each in self._by_domain.values() if each.id == ticket_id), None)


def _is_over(word: Word, now: float) -> bool:
    return word.expires is not None and now >= word.expires
