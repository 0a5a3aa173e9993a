"""`postward holds`: the sender domains that wait for a person, and the person's word."""

import asyncio
import getpass
import json
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from postward.console.options import Trouble, config_option, json_option
from postward.printable import printable

if TYPE_CHECKING:
    from postward.state import Holds, Ticket

T = TypeVar("T")


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
@click.option("--limit", default=100, show_default=True)
def list_(directory: Path, as_json: bool, verdict: str, limit: int) -> None:
    """List tickets, newest first.

    \b
    Example:
      postward holds list --verdict all
    """
    wanted = None if verdict == "all" else verdict
    tickets = _on_store(directory, lambda holds: holds.tickets(wanted, limit=limit))
    if as_json:
        click.echo(json.dumps([asdict(ticket) for ticket in tickets], indent=2))
    elif tickets:
        _table(tickets)
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
    found = _found(_on_store(directory, lambda holds: holds.find(ticket)), ticket)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2))
        return
    for label, value in (
        ("ticket", found.id),
        ("domain", found.domain),
        ("verdict", found.verdict),
        ("opened", _when(found.opened)),
        ("last seen", _when(found.last_seen)),
        ("attempts", str(found.attempts)),
        ("evidence", found.evidence),
        ("decided by", found.decided_by),
        ("note", found.note),
    ):
        if value:
            click.echo(f"{label:<11}{printable(value, 2000)}")


def _deciding(name: str, verdict: str, text: str) -> click.Command:
    """The command `name`, which gives `verdict` to a ticket."""

    @click.command(name, help=f"{text}\n\n\b\nExample:\n  postward holds {name} new-customer.example")
    @click.argument("ticket", metavar="TICKET|DOMAIN")
    @config_option
    @json_option
    @click.option("--note", default="", help="Why; it is kept with the ticket.")
    def command(ticket: str, directory: Path, as_json: bool, note: str) -> None:
        async def decide(holds: "Holds") -> "Ticket | None":
            found = await holds.find(ticket)
            if found is None:
                return None
            return await holds.decide(found.id, verdict, now=time.time(), by=_who(), note=note)

        decided = _found(_on_store(directory, decide), ticket)
        if as_json:
            click.echo(json.dumps(asdict(decided), indent=2))
        else:
            click.echo(f"{printable(decided.domain)}: {verdict}")

    return command


holds.add_command(_deciding("approve", "approved", "Let mail of this domain in from now on."))
holds.add_command(_deciding("deny", "denied", "Refuse mail of this domain from now on."))


def _on_store(directory: Path, work: "Callable[[Holds], Awaitable[T]]") -> T:
    """The result of `work` on the tickets of this configuration's store. Raises Trouble."""
    from postward.daemon.config import load_settings
    from postward.rules.errors import ConfigErrors
    from postward.state import StoreDown
    from postward.store.database import SchemaRefused
    from postward.store.factory import open_store

    try:
        settings = load_settings(directory)
    except ConfigErrors as errors:
        raise Trouble(str(errors), f"postward check {directory}") from None
    if settings.store.kind == "memory":
        raise Trouble("store.kind is memory: tickets live in the daemon alone", "use store: {kind: sqlite}")
    if not settings.store.path.exists():
        raise Trouble(
            f"there is no store at {settings.store.path} yet", "the daemons make it when they start"
        )

    async def run() -> T:
        store = open_store(settings.store.kind, settings.store.path)
        try:
            return await work(store.holds)
        finally:
            store.close()

    try:
        return asyncio.run(run())
    except StoreDown as down:
        raise Trouble(f"the store does not answer: {down}") from None
    except SchemaRefused as refused:
        raise Trouble(str(refused)) from None


def _found(ticket: "Ticket | None", key: str) -> "Ticket":
    if ticket is None:
        raise Trouble(f"there is no ticket {key}", "postward holds list --verdict all")
    return ticket


def _who() -> str:
    """The person at the keyboard, also behind sudo(8)."""
    return os.environ.get("SUDO_USER") or getpass.getuser()


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _table(tickets: "tuple[Ticket, ...]") -> None:
    from rich.table import Table
    from rich.text import Text

    from postward.console.timeline import paper

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for name in ("ticket", "domain", "verdict", "opened", "attempts", "evidence"):
        table.add_column(name, overflow="fold")
    for each in tickets:
        cells = (each.id, each.domain, each.verdict, _when(each.opened), str(each.attempts), each.evidence)
        table.add_row(*(Text(printable(cell)) for cell in cells))
    paper().print(table)
