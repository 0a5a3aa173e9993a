"""`postward holds`: the sender domains that wait for a person, and the person's word."""

import time
from collections.abc import Awaitable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from postward.console import holds_shown as shown
from postward.console.holds_decide import deciding, found, in_store, print_json, undo
from postward.console.options import Trouble, config_option, json_option
from postward.console.store import who
from postward.printable import printable

if TYPE_CHECKING:
    from postward.state import Store

_MOST = 100_000  # tickets that are counted


@click.group()
def holds() -> None:
    """List and decide the sender domains that wait for a person.

    \b
    Examples:
      postward holds list
      postward holds approve new-customer.example --note "asked them by telephone"
    """


@holds.command("list")
@config_option
@json_option
@click.option(
    "--verdict",
    type=click.Choice(["waiting", "approved", "denied", "all"]),
    default="waiting",
    show_default=True,
)
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True)
def list_(directory: Path, as_json: bool, verdict: str, limit: int) -> None:
    """List tickets, newest first.

    \b
    Example:
      postward holds list --verdict all
    """
    wanted = None if verdict == "all" else verdict
    tickets = in_store(directory, lambda store: store.holds.tickets(wanted, limit=limit))
    if as_json:
        print_json([asdict(ticket) for ticket in tickets])
    elif tickets:
        shown.list_tickets(tickets, time.time())
    else:
        click.echo("nothing waits" if verdict == "waiting" else "no tickets")


@holds.command()
@click.argument("ticket", metavar="TICKET|DOMAIN")
@config_option
@json_option
def show(ticket: str, directory: Path, as_json: bool) -> None:
    """Show one ticket with its evidence.

    \b
    Example:
      postward holds show new-customer.example
    """
    held = found(in_store(directory, lambda store: store.holds.find(ticket)), ticket)
    if as_json:
        print_json(asdict(held))
    else:
        shown.show_ticket(held)


holds.add_command(deciding("approve", "approved", "Let it in from now on; the next retry passes at once."))
holds.add_command(deciding("deny", "denied", "Refuse it from now on."))


holds.add_command(undo)


@holds.command()
@config_option
@json_option
@click.option("--limit", type=click.IntRange(min=1), default=1_000, show_default=True)
def words(directory: Path, as_json: bool, limit: int) -> None:
    """List what people have decided, newest first.

    \b
    Example:
      postward holds words
    """
    said = in_store(directory, lambda store: store.holds.all_words(limit=limit + 1))
    if as_json:
        print_json([asdict(word) for word in said[:limit]])
    elif said:
        shown.list_words(said[:limit])
    else:
        click.echo("nobody has said anything")
    if len(said) > limit:
        click.echo(f"there are more than {limit}: use --limit", err=True)


@holds.command()
@click.argument("kind", type=click.Choice(["domain", "client", "network", "address"]))
@click.argument("value")
@config_option
def forget(kind: str, value: str, directory: Path) -> None:
    """Forget one word, as `postward holds words` lists it; a ticket that it had closed waits again.

    \b
    Example:
      postward holds forget network 192.0.2.0/24
    """
    from postward.holds.decide import forget as forget_word

    def work(store: "Store") -> Awaitable[bool]:
        return forget_word(store, kind, value, now=time.time(), by=who())

    if not in_store(directory, work):
        raise Trouble(f"nobody has said anything about {kind} {value}", "postward holds words")
    click.echo(f"{kind} {printable(value)}: forgotten")


@holds.command()
@config_option
@json_option
def stats(directory: Path, as_json: bool) -> None:
    """Show how many wait, and how fast people decide.

    \b
    Example:
      postward holds stats
    """
    from postward.holds.stats import stats as count

    tickets = in_store(directory, lambda store: store.holds.tickets(None, limit=_MOST))
    numbers = count(tickets, time.time())
    if as_json:
        print_json(asdict(numbers))
    else:
        shown.show_stats(numbers)
