"""`postward holds`: the sender domains that wait for a person, and the person's word."""

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from postward.console import holds_shown as shown
from postward.console.options import Trouble, config_option, json_option
from postward.console.store import on_store, settings_in, who
from postward.duration import whole_seconds
from postward.printable import printable

if TYPE_CHECKING:
    from postward.state import Store, Ticket

T = TypeVar("T")
_MOST = 100_000  # tickets that are counted
_LONGEST = 36_500 * 86_400  # a hundred years


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
    tickets = _on_store(directory, lambda store: store.holds.tickets(wanted, limit=limit))
    if as_json:
        _print_json([asdict(ticket) for ticket in tickets])
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
    found = _found(_on_store(directory, lambda store: store.holds.find(ticket)), ticket)
    if as_json:
        _print_json(asdict(found))
    else:
        shown.show_ticket(found)


def _lasts(_context: click.Context, _option: click.Parameter, value: str | None) -> float | None:
    try:
        seconds = None if value is None else float(whole_seconds(value))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if seconds is not None and seconds > _LONGEST:
        raise click.BadParameter("too long; at most 36500d")
    return seconds


def _deciding(name: str, verdict: str, text: str) -> click.Command:
    """The command `name`, which gives `verdict` to a ticket."""
    example = (
        f"postward holds {name} new-customer.example\n  postward holds {name} 1a2b3c4d --network --for 90d"
    )

    @click.command(name, help=f"{text}\n\n\b\nExamples:\n  {example}")
    @click.argument("ticket", metavar="TICKET|DOMAIN")
    @config_option
    @json_option
    @click.option("--domain", "scope", flag_value="domain", default="domain", help="The domain (default).")
    @click.option(
        "--network", "scope", flag_value="network", help="The /24 or /64 of each client that tried."
    )
    @click.option("--client", "scope", flag_value="client", help="Each client address that tried.")
    @click.option("--address", "scope", flag_value="address", help="The sender's whole address.")
    @click.option("--for", "lasts", callback=_lasts, help="How long, such as 90d; by default for ever.")
    @click.option("--note", default="", help="Why; it is kept with the ticket.")
    def command(
        ticket: str, directory: Path, as_json: bool, scope: str, lasts: float | None, note: str
    ) -> None:
        from postward.holds.decide import NothingToName, decide, named
        from postward.state import TooManyWords

        async def work(store: "Store") -> "Ticket | None":
            found = await store.holds.find(ticket)
            if found is None:
                return None
            now, by = time.time(), who()
            try:
                return await decide(store, found, verdict, scope, now=now, by=by, note=note, lasts=lasts)
            except TooManyWords as full:
                raise Trouble(
                    str(full), "postward holds words, and postward holds forget what is old"
                ) from None

        try:
            decided = _found(_on_store(directory, work), ticket)
        except NothingToName as nothing:
            raise Trouble(str(nothing), "leave the option out: the word is about the domain then") from None
        if as_json:
            _print_json(asdict(decided))
            return
        for value in named(decided, scope):
            click.echo(f"{printable(value)}: {verdict}")
        if decided.verdict == "waiting":
            click.echo(f"{printable(decided.domain)} goes on waiting for everybody else")

    return command


holds.add_command(_deciding("approve", "approved", "Let it in from now on; the next retry passes at once."))
holds.add_command(_deciding("deny", "denied", "Refuse it from now on."))


@holds.command()
@click.argument("ticket", metavar="TICKET|DOMAIN")
@config_option
@json_option
def undo(ticket: str, directory: Path, as_json: bool) -> None:
    """Take back all that was said about a ticket: it waits again, and the words are forgotten.

    \b
    Example:
      postward holds undo 1a2b3c4d
    """
    from postward.holds.decide import undo as take_back

    async def work(store: "Store") -> "tuple[Ticket | None, int]":
        found = await store.holds.find(ticket)
        if found is None:
            return None, 0
        reopened, forgotten = await take_back(store, found, now=time.time(), by=who())
        return reopened, len(forgotten)

    held, count = _on_store(directory, work)
    found = _found(held, ticket)
    if as_json:
        _print_json(asdict(found))
    else:
        click.echo(f"{printable(found.domain)}: waiting, {count} word{'' if count == 1 else 's'} forgotten")


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
    said = _on_store(directory, lambda store: store.holds.all_words(limit=limit + 1))
    if as_json:
        _print_json([asdict(word) for word in said[:limit]])
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

    if not _on_store(directory, work):
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

    tickets = _on_store(directory, lambda store: store.holds.tickets(None, limit=_MOST))
    numbers = count(tickets, time.time())
    if as_json:
        _print_json(asdict(numbers))
    else:
        shown.show_stats(numbers)


def _on_store(directory: Path, work: "Callable[[Store], Awaitable[T]]") -> T:
    """The result of `work` on the store of this configuration. Raises Trouble."""
    return on_store(settings_in(directory), "tickets", work)


def _found(ticket: "Ticket | None", key: str) -> "Ticket":
    if ticket is None:
        raise Trouble(f"there is no ticket {key}", "postward holds list --verdict all")
    return ticket


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2))
