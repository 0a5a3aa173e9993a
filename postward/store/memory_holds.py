"""Holds in memory: tickets and words, bounded."""

import secrets
from collections.abc import Mapping
from dataclasses import replace

from postward.state import Ticket, Word
from postward.store import tickets
from postward.store.text import stored

_MAX_TICKETS = 10_000
_MAX_WORDS = 10_000


class MemoryHolds:
    """`postward.state.Holds`."""

    def __init__(self) -> None:
        self._by_domain: dict[str, Ticket] = {}
        self._words: dict[tuple[str, str], Word] = {}

    async def meet(self, domain: str, *, now: float, evidence: str, knock: Mapping[str, str]) -> Ticket:
        domain = stored(domain.lower(), tickets.MAX_DOMAIN)
        held = self._by_domain.pop(domain, None)
        if held is None:
            if len(self._by_domain) >= _MAX_TICKETS:
                del self._by_domain[next(iter(self._by_domain))]
            ticket = tickets.open_ticket(secrets.token_hex(4), domain, now, evidence, knock)
        else:
            ticket = tickets.join_ticket(held, now, evidence, knock)
        self._by_domain[domain] = ticket
        return ticket

    async def find(self, ticket_or_domain: str) -> Ticket | None:
        wanted = stored(ticket_or_domain.lower(), tickets.MAX_DOMAIN)
        return self._by_id(wanted) or self._by_domain.get(wanted)

    async def decide(self, ticket_id: str, verdict: str, *, now: float, by: str, note: str) -> Ticket | None:
        tickets.check_verdict(verdict)
        held = self._by_id(ticket_id.lower())
        if held is None:
            return None
        ticket = self._by_domain[held.domain] = tickets.decide_ticket(held, verdict, now, by, note)
        return ticket

    async def tickets(self, verdict: str | None = None, *, limit: int = 100) -> tuple[Ticket, ...]:
        chosen = [each for each in self._by_domain.values() if verdict in (None, each.verdict)]
        return tuple(sorted(chosen, key=lambda each: each.opened, reverse=True)[:limit])

    async def put_card(self, ticket_id: str, card: Mapping[str, str]) -> None:
        held = self._by_id(ticket_id.lower())
        if held is not None:
            self._by_domain[held.domain] = replace(held, card=tickets.bounded(card))

    async def put_reminded(self, ticket_id: str, reminded: int) -> None:
        held = self._by_id(ticket_id.lower())
        if held is not None:
            self._by_domain[held.domain] = replace(held, reminded=reminded)

    async def say(self, word: Word) -> None:
        key = word.kind, word.value.lower()
        self._words.pop(key, None)
        if len(self._words) >= _MAX_WORDS:
            del self._words[next(iter(self._words))]
        self._words[key] = replace(word, value=key[1])

    async def unsay(self, kind: str, value: str) -> bool:
        return self._words.pop((kind, value.lower()), None) is not None

    async def words(self, keys: tuple[tuple[str, str], ...], *, now: float) -> tuple[Word, ...]:
        found = [self._words.get((kind, value.lower())) for kind, value in keys] if self._words else []
        return tuple([word for word in found if word and (word.expires is None or now < word.expires)])

    async def all_words(self, *, limit: int = 1_000) -> tuple[Word, ...]:
        return tuple(sorted(self._words.values(), key=lambda word: word.at, reverse=True)[:limit])

    def _by_id(self, ticket_id: str) -> Ticket | None:
        return next((each for each in self._by_domain.values() if each.id == ticket_id), None)
