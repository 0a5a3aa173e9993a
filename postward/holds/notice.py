"""What people are told: domains that wait, and alarms; as plain text and as JSON."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from postward.printable import printable
from postward.state import Ticket

_IN_SUBJECT = 3
_MOST = 600  # characters of one line; RFC 5322 2.1.1 allows 998 octets


class NotTold(Exception):
    """A notice did not get through, and why: it will be tried again."""


@dataclass(frozen=True, slots=True)
class Notice:
    """`hold`: seconds that a domain waits; `on_deadline`: what follows then. `more`: tickets that
    come with the next notice.
    """

    tickets: tuple[Ticket, ...]
    alarms: tuple[str, ...]
    at: float
    hold: float
    on_deadline: str
    more: int = 0


def subject(notice: Notice) -> str:
    """One line of printable ASCII, at most about 150 characters."""
    count = len(notice.tickets)
    if not count:
        return f"Postward: {_ascii(notice.alarms[0], 100)}" if notice.alarms else "Postward"
    names = ", ".join(_ascii(each.domain, 40) for each in notice.tickets[:_IN_SUBJECT])
    more = ", ..." if count > _IN_SUBJECT else ""
    return f"Postward: {count} domain{'s wait' if count > 1 else ' waits'} for you ({names}{more})"


def text(notice: Notice) -> str:
    """The body of a mail: printable ASCII, lines of at most 600 characters."""
    lines = [*notice.alarms, ""] if notice.alarms else []
    for ticket in notice.tickets:
        lines += [*_about(ticket, notice), ""]
    if notice.more:
        lines += [f"... and {notice.more} more, in the next notices: postward holds list", ""]
    return "\n".join(_ascii(line, _MOST) for line in lines)


def _about(ticket: Ticket, notice: Notice) -> list[str]:
    ends = ticket.opened + notice.hold
    left = max(ends - notice.at, 0.0) / 3600
    client, sender = (ticket.knock.get(key, "unknown") for key in ("client", "sender"))
    return [
        f"{ticket.domain} waits since {_when(ticket.opened)} (ticket {ticket.id})",
        f"  sender        {sender}",
        f"  client        {client}",
        f"  attempts      {ticket.attempts} (clients: {len(ticket.clients)}), last {_when(ticket.last_seen)}",
        f"  found         {ticket.evidence}",
        *(f"  {name:<13} {value}" for name, value in ticket.card.items()),
        f"  at {_when(ends)} (in {left:.0f} h): {notice.on_deadline}",
        f"  postward holds approve {ticket.id}     or: postward holds deny {ticket.id}",
    ]


def as_json(notice: Notice) -> dict[str, Any]:
    """The notice for programs; times are seconds since the epoch."""
    return {
        "at": notice.at,
        "alarms": list(notice.alarms),
        "tickets": [_ticket(each, notice) for each in notice.tickets],
        "on_deadline": notice.on_deadline,
        "more": notice.more,
    }


def _ticket(ticket: Ticket, notice: Notice) -> Mapping[str, Any]:
    return {
        "id": ticket.id,
        "domain": ticket.domain,
        "opened": ticket.opened,
        "deadline": ticket.opened + notice.hold,
        "last_seen": ticket.last_seen,
        "attempts": ticket.attempts,
        "evidence": ticket.evidence,
        "clients": list(ticket.clients),
        "verified": list(ticket.verified),
        "knock": dict(ticket.knock),
        "card": dict(ticket.card),
    }


def _ascii(words: str, limit: int) -> str:
    """Nothing that could end a line, a header or a terminal's patience."""
    return printable(words, limit).encode("ascii", "backslashreplace").decode("ascii")


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
