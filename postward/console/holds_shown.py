"""Tickets, words and numbers of `postward holds`, as people read them."""

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from postward.printable import printable

if TYPE_CHECKING:
    from postward.holds.stats import Stats
    from postward.state import Ticket, Word

_WIDTH = 17
_KNOCK = ("client", "helo", "ptr", "sender", "recipient_domain", "tls")


def list_tickets(tickets: "Iterable[Ticket]", now: float) -> None:
    """One line a ticket."""
    _table(
        ("ticket", "domain", "verdict", "opened", "age", "tries", "from", "evidence"),
        (
            (
                each.id,
                each.domain,
                each.verdict,
                when(each.opened),
                span(now - each.opened),
                str(each.attempts),
                f"{each.clients[0]}{f' +{len(each.clients) - 1}' if len(each.clients) > 1 else ''}"
                if each.clients
                else "",
                each.evidence,
            )
            for each in tickets
        ),
    )


def list_words(words: "Iterable[Word]") -> None:
    """One line a word."""
    _table(
        ("about", "value", "verdict", "by", "since", "until", "note"),
        (
            (
                each.kind,
                each.value,
                each.verdict,
                each.by,
                when(each.at),
                when(each.expires) if each.expires is not None else "for ever",
                each.note,
            )
            for each in words
        ),
    )


def show_ticket(ticket: "Ticket") -> None:
    """The ticket, who knocked, and the card."""
    _line("ticket", ticket.id)
    _line("domain", ticket.domain)
    _line("verdict", ticket.verdict)
    _line("opened", when(ticket.opened))
    _line("last seen", when(ticket.last_seen))
    _line("attempts", str(ticket.attempts))
    _line("evidence", ticket.evidence)
    if ticket.decided:
        _line("decided", f"{when(ticket.decided)} by {ticket.decided_by}")
    if ticket.until is not None:
        _line("until", when(ticket.until))
    _line("note", ticket.note)
    _heading("who knocked first", any(ticket.knock.get(name) for name in _KNOCK))
    for name in _KNOCK:
        _line(name.replace("_", " "), ticket.knock.get(name, ""))
    if len(ticket.clients) > 1:
        _line("all clients", ", ".join(ticket.clients))
    _line("vouched for", ", ".join(ticket.verified))
    _heading("what else is known", bool(ticket.card))
    for name, text in ticket.card.items():
        _line(name, text)
    if not ticket.card and ticket.verdict == "waiting":
        click.echo("\nthe evidence card is not made yet (policyd makes it)")


def show_stats(numbers: "Stats") -> None:
    """The numbers, and a table of days."""
    _line("waiting now", str(numbers.waiting))
    if numbers.oldest is not None:
        _line("oldest", span(numbers.oldest))
    _line("approved", str(numbers.approved))
    _line("denied", str(numbers.denied))
    _line("by people", str(numbers.by_people))
    _line("by the deadline", str(numbers.by_deadline))
    if numbers.to_decision is not None:
        _line("median decision", f"after {span(numbers.to_decision)}")
    if numbers.networks:
        _line("top networks", ", ".join(f"{network} ({count})" for network, count in numbers.networks))
    click.echo()
    _table(
        ("day", "opened", "decided"),
        ((when(each.day)[:10], str(each.opened), str(each.decided)) for each in numbers.days),
    )


def when(seconds: float) -> str:
    """RFC 3339, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def span(seconds: float) -> str:
    """`3 d 4 h`, `5 h 12 min`, `7 min`."""
    minutes = max(int(seconds), 0) // 60
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {rest} min" if hours else f"{rest} min"


def _line(label: str, value: str) -> None:
    if value:
        click.echo(f"{label:<{_WIDTH}}{printable(value, 2000)}")


def _heading(text: str, wanted: bool) -> None:
    if wanted:
        click.echo(f"\n{text}")


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    from postward.console.timeline import paper

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    paper().print(table)
