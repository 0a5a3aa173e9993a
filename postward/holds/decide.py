"""A person's word about a ticket: approve, deny, undo. It is remembered, so that nobody asks twice."""

from postward.network import address_of, cidr_of
from postward.state import Store, Ticket, Word

SCOPES = ("domain", "client", "network", "address")
"""What a word can be about."""
_KNOWN = 400 * 86_400.0
"""Seconds that a domain which a person approved is known, counted from its last mail."""


class NothingToName(Exception):
    """The ticket has no client or sender that a word could be about."""


def named(ticket: Ticket, scope: str) -> tuple[str, ...]:
    """The domain, the clients that tried, their networks, or the sender. Raises NothingToName."""
    if scope == "domain":
        return (ticket.domain,)
    if scope == "address":
        sender = ticket.knock.get("sender", "")
        if "@" not in sender:
            raise NothingToName(f"ticket {ticket.id} has no sender address")
        return (sender.lower(),)
    addresses = [address for each in ticket.clients if (address := address_of(each)) is not None]
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
) -> Ticket:
    """Remember the word for `lasts` seconds (None: for ever) and close the ticket by it.

    An approved domain is also known from now on. Raises NothingToName and StoreDown.
    """
    expires = None if lasts is None else now + lasts
    for value in named(ticket, scope):
        await store.holds.say(Word(scope, value, verdict, by, note or f"ticket {ticket.id}", now, expires))
    decided = await store.holds.decide(ticket.id, verdict, now=now, by=by, note=note)
    if verdict == "approved":
        store.seen.note(f"domain {ticket.domain}", now=now, keep=_KNOWN)
    return decided or ticket


async def undo(store: Store, ticket: Ticket, *, now: float, by: str) -> tuple[Ticket, tuple[Word, ...]]:
    """Take the word about a ticket back: it waits again, and what was remembered with it is forgotten."""
    said = [word for word in await store.holds.all_words() if word.at == ticket.decided]
    mine = {(scope, value) for scope in SCOPES for value in _named_or_none(ticket, scope)}
    forgotten = tuple(word for word in said if (word.kind, word.value) in mine)
    for word in forgotten:
        await store.holds.unsay(word.kind, word.value)
    if ticket.verdict == "approved" and forgotten:
        await store.seen.forget(f"domain {ticket.domain}")
    reopened = await store.holds.decide(ticket.id, "waiting", now=now, by=by, note="undone")
    return reopened or ticket, forgotten


def _named_or_none(ticket: Ticket, scope: str) -> tuple[str, ...]:
    try:
        return named(ticket, scope)
    except NothingToName:
        return ()
