"""What `postward list show` tells: all lists, one list, or what of a list matches a value."""

import ipaddress
import json
from dataclasses import dataclass
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from postward.address import parse
from postward.console.options import Trouble
from postward.console.timeline import paper
from postward.daemon.configuration import Configuration
from postward.list_value import BadEntry, Meaning, meaning
from postward.lists import CompiledList
from postward.networks.broken import BrokenDatabase
from postward.networks.database import Database, load
from postward.printable import printable
from postward.tools import Match, Networks, NoNetworks


@dataclass(frozen=True, slots=True)
class Found:
    """The entry that matches, and what is known of the value beside it."""

    match: Match | None
    about: tuple[str, ...] = ()


def matching(configuration: Configuration, made: CompiledList, value: str, now: float) -> Found:
    """Which entry matches `value`. Raises Trouble: the value means nothing."""
    try:
        meant = meaning(value)
    except BadEntry as error:
        raise Trouble(str(error)) from None
    if isinstance(meant.key, int):
        entry = made.match_system(meant.key, now)
        return Found(Match(entry, "asn") if entry is not None else None)
    if isinstance(meant.key, str):
        return Found(_by_name(made, meant, now))
    networks = _networks(configuration)
    first = meant.key.network_address
    network = networks.find(first)
    about = (f"{first} is in AS{network.asn} {network.name} {network.country}".rstrip(),) if network else ()
    match = made.match_network(first, "", networks, now)
    return Found(match if _covers(match, meant) else None, about)


def _by_name(made: CompiledList, meant: Meaning, now: float) -> Match | None:
    text = str(meant.key)
    if meant.kind in ("address", "local"):
        entry = made.match_address(parse(text), now)
    else:
        entry = made.match_domain(text, now)
    return Match(entry, "name") if entry is not None else None


def _covers(match: Match | None, meant: Meaning) -> bool:
    """Whether all of a network that was asked about matches, not its first address alone."""
    if match is None or match.by != "address":
        return match is not None
    network = meaning(match.entry.value).key
    asked = meant.key
    if isinstance(asked, ipaddress.IPv4Network) and isinstance(network, ipaddress.IPv4Network):
        return asked.subnet_of(network)
    if isinstance(asked, ipaddress.IPv6Network) and isinstance(network, ipaddress.IPv6Network):
        return asked.subnet_of(network)
    return False


def _networks(configuration: Configuration) -> Networks:
    """The database of networks. Raises Trouble: it cannot be read."""
    files = configuration.settings.networks.asn_file
    try:
        return Database(tuple(load(path) for path in files)) if files else NoNetworks()
    except BrokenDatabase as broken:
        raise Trouble(str(broken), "networks: asn_file in postward.yml names it") from None


def table_of_lists(configuration: Configuration, now: float, as_json: bool) -> None:
    """All lists, with how many entries each has and where it stands."""
    rows = []
    for name, made in sorted(configuration.rules.lists.items()):
        expired = sum(1 for entry in made.entries() if entry.expires is not None and entry.expires <= now)
        file = configuration.directory / "lists" / f"{name}.yml"
        rows.append({
            "list": name, "entries": len(made), "expired": expired,
            "file": str(file) if file.exists() else "shipped",
        })  # fmt: skip
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        _print(rows, ("list", "entries", "expired", "file"))


def table_of_entries(rows: list[dict[str, Any]]) -> None:
    """The entries of one list."""
    if not rows:
        click.echo("no entries")
        return
    for row in rows:
        row["expires"] = f"{row['expires']} (over)" if row["expired"] else row["expires"]
        row["score"] = f"{row['score']:g}" if row["score"] is not None else None
    _print(rows, ("value", "note", "added", "expires", "score"))


def _print(rows: list[dict[str, Any]], names: tuple[str, ...]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        cells = ("" if row[name] is None else str(row[name]) for name in names)
        table.add_row(*(Text(printable(cell)) for cell in cells))
    paper().print(table)
