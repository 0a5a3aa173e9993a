"""A person's word about a ticket: approve, deny, undo. It is remembered, so that nobody asks twice.

A word about the domain closes its ticket for as long as it holds. A word about a client, a network or
an address stands beside the ticket, which goes on waiting for everybody else of the domain. One may
also decide ahead, without a ticket.

Anybody can write a domain's name. So a word about clients or networks is about those whom the domain
vouches for, or about the one that knocked first; and an approved domain or address holds for those
whom it vouches for, and where it vouches for nobody, for the clients of the ticket.
"""

import ipaddress
from dataclasses import dataclass

from postward.address import normal_domain, parse
from postward.derive.orgdomain import org_domain
from postward.derive.persons_word import spelled
from postward.derive.seen_key import KEEP, key_of_domain
from postward.network import address_of, cidr_of
from postward.state import BY_DEADLINE, Store, Ticket, Word

_ALL = 1_000_000  # more than any store keeps


class NothingToName(Exception):
    """The ticket has no client or sender that a word could be about, or it is no such thing."""


@dataclass(frozen=True, slots=True)
class Said:
    """A person's words, and the ticket as it is now, None where there was none."""

    words: tuple[Word, ...]
    ticket: Ticket | None = None


def named(ticket: Ticket, scope: str) -> tuple[str, ...]:
    """The domain, clients or their networks, or the sender. Raises NothingToName.

    The clients whom the domain vouches for; where there is none, only the one that knocked first.
    """
    if scope == "domain":
        return (ticket.domain,)
    if scope == "address":
        sender = parse(ticket.knock.get("sender", ""))
        if sender.domain is None:
            raise NothingToName(f"ticket {ticket.id} has no sender address")
        return (spelled(sender),)
    clients = ticket.verified or (ticket.knock.get("client", ""),)
    addresses = [address for each in clients if (address := address_of(each)) is not None]
    if not addresses:
        raise NothingToName(f"ticket {ticket.id} has no client address")
    spelt = (cidr_of(each) if scope == "network" else str(each) for each in addresses)
    return tuple(dict.fromkeys(spelt))


async def decide(
    store: Store,
    ticket: Ticket,
    verdict: str,
    scope: str,
    *,
    now: float,
    by: str,
    note: str,
    lasts: float | None = None,
) -> Said:
    """Remember the word for `lasts` seconds (None: for ever); one about the domain closes the ticket.

    A domain that was approved for ever is also known from now on. Raises NothingToName, TooManyWords
    and StoreDown.
    """
    until = None if lasts is None else now + lasts
    kept = note or f"ticket {ticket.id}"
    clients: tuple[str, ...] = ()
    if verdict == "approved" and scope in ("domain", "address"):
        clients = ticket.verified or ticket.clients
    values = named(ticket, scope)
    words = tuple([Word(scope, each, verdict, by, kept, now, until, ticket.id, clients) for each in values])
    for word in words:
        await _say(store, word)
    if scope != "domain":
        return Said(words, await store.holds.find(ticket.id) or ticket)
    decided = await store.holds.decide(ticket.id, verdict, now=now, by=by, note=note, until=until)
    return Said(words, decided or ticket)


def ahead(text: str) -> tuple[str, str]:
    """(scope, value) of what a word can be about without a ticket. Raises NothingToName."""
    if "@" in text:
        sender = parse(text)
        if sender.domain is None:
            raise NothingToName(f"{text} is no sender address")
        return "address", spelled(sender)
    client = address_of(text)
    if client is not None:
        return "client", str(client)
    if "/" in text:
        return "network", _network(text)
    domain = normal_domain(text)
    if domain is None or "." not in domain or domain.startswith("["):
        raise NothingToName(f"there is no ticket {text}")
    return "domain", org_domain(domain)


def _network(text: str) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise NothingToName(f"{text} is no network: {error}") from None
    if network.prefixlen != (24 if network.version == 4 else 64):
        raise NothingToName(f"{text}: a word is about a /24 (IPv4) or a /64 (IPv6)")
    return str(network)


async def decide_ahead(
    store: Store,
    text: str,
    verdict: str,
    *,
    now: float,
    by: str,
    note: str,
    lasts: float | None = None,
) -> Said:
    """Remember a word without a ticket. Raises NothingToName, TooManyWords and StoreDown."""
    scope, value = ahead(text)
    word = Word(scope, value, verdict, by, note, now, None if lasts is None else now + lasts)
    await _say(store, word)
    return Said((word,))


async def _say(store: Store, word: Word) -> None:
    await store.holds.say(word)
    if word.kind == "domain" and word.verdict == "approved" and word.expires is None:
        store.seen.note(key_of_domain(word.value), now=word.at, keep=KEEP)


async def undo(store: Store, ticket: Ticket, *, now: float, by: str) -> tuple[Ticket, tuple[Word, ...]]:
    """Take back all that was said about a ticket: it waits again, and the words are forgotten.

    Raises StoreDown; said once more it does what is left.
    """
    said = await store.holds.all_words(limit=_ALL)
    forgotten = tuple(word for word in said if word.ticket == ticket.id)
    for word in forgotten:
        await store.holds.unsay(word.kind, word.value)
    return await _reopen(store, ticket, now=now, by=by) or ticket, forgotten


async def forget(store: Store, kind: str, value: str, *, now: float, by: str) -> bool:
    """Forget one word; False when there was none. A ticket that it had closed waits again."""
    there = await store.holds.unsay(kind, value)
    if there and kind == "domain" and (ticket := await store.holds.find(value)) is not None:
        await _reopen(store, ticket, now=now, by=by)
    return there


async def _reopen(store: Store, ticket: Ticket, *, now: float, by: str) -> Ticket | None:
    if ticket.verdict == "waiting":
        return ticket
    if ticket.verdict == "approved" and ticket.decided_by != BY_DEADLINE:
        await store.seen.forget(key_of_domain(ticket.domain))
    return await store.holds.decide(ticket.id, "waiting", now=now, by=by, note="undone")
