"""A person's word about a ticket: approve, deny, undo. It is remembered, so that nobody asks twice.

A word about the domain closes its ticket for as long as it holds. A word about a client, a network or
an address stands beside the ticket, which goes on waiting for everybody else of the domain.
"""

from postward.derive.seen_key import KEEP, key_of_domain
from postward.network import address_of, cidr_of
from postward.rules.hold import BY_DEADLINE
from postward.state import Store, Ticket, Word

SCOPES = ("domain", "client", "network", "address")
"""What a word can be about."""


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
    """Remember the word for `lasts` seconds (None: for ever); one about the domain closes the ticket.

    A domain that was approved for ever is also known from now on. Raises NothingToName, TooManyWords
    and StoreDown.
    """
    until = None if lasts is None else now + lasts
    kept = note or f"ticket {ticket.id}"
    for value in named(ticket, scope):
        await store.holds.say(Word(scope, value, verdict, by, kept, now, until, ticket.id))
    if scope != "domain":
        return await store.holds.find(ticket.id) or ticket
    decided = await store.holds.decide(ticket.id, verdict, now=now, by=by, note=note, until=until)
    if verdict == "approved" and until is None:
        store.seen.note(key_of_domain(ticket.domain), now=now, keep=KEEP)
    return decided or ticket


async def undo(store: Store, ticket: Ticket, *, now: float, by: str) -> tuple[Ticket, tuple[Word, ...]]:
    """Take back all that was said about a ticket: it waits again, and the words are forgotten.

    Raises StoreDown; said once more it does what is left.
    """
    about = tuple((scope, value) for scope in SCOPES for value in _named_or_none(ticket, scope))
    said = await store.holds.words(about, now=now)
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


def _named_or_none(ticket: Ticket, scope: str) -> tuple[str, ...]:
    try:
        return named(ticket, scope)
    except NothingToName:
        return ()
