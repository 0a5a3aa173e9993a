"""`postward dns-lists`: which DNS lists are asked, how they are, and what they were good for."""

import asyncio
import json
import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from postward.console.options import Trouble, config_option, json_option
from postward.printable import printable

if TYPE_CHECKING:
    from postward.daemon.config import Settings
    from postward.dnslists.definition import Definition
    from postward.dnslists.selftest import Result
    from postward.dnslists.statistics import State

_NUMBERS = ("queries", "hits", "unique", "agreed", "disagreed", "refused", "unsure")
_NOT_ON = "not switched on in postward.yml"
_SILENT = "no answer to its first test; it is tested again"


@click.group("dns-lists", invoke_without_command=True)
@config_option
@json_option
@click.pass_context
def dns_lists(context: click.Context, directory: Path, as_json: bool) -> None:
    """Show each DNS list: whether it is asked and why not, its last test, and its numbers.

    The numbers are those that policyd wrote down, at most a minute old. `unique`: hits that no other
    list had; `disagreed`: hits where the mail came in all the same (of an allow list: where it was
    refused); `refused`: queries that the list would not answer.

    \b
    Examples:
      postward dns-lists
      postward dns-lists test spamhaus-zen
    """
    if context.invoked_subcommand is not None:
        return
    settings = _settings(directory)
    rows = _rows(settings)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    _table(rows)
    for doubt in _doubts(settings):
        click.echo(f"warning: {doubt}")


@dns_lists.command("test")
@click.argument("name", required=False)
@config_option
@json_option
def test_now(name: str | None, directory: Path, as_json: bool) -> None:
    """Test NAME, or every list that is switched on, and show each step. Exit 0 when all pass.

    A list that is not switched on can be tested too. policyd is not told: it has its own tests.

    \b
    Example:
      postward dns-lists test spamhaus-zen
    """
    settings = _settings(directory)
    chosen = _chosen(settings, name)
    if not chosen:
        raise Trouble("no DNS list is switched on", "switch one on in postward.yml: dns_lists: {NAME: on}")
    results = asyncio.run(_tested(settings, chosen))
    if as_json:
        click.echo(json.dumps([_as_dict(each, result) for each, result in results], indent=2))
    else:
        for each, result in results:
            _steps(each, result)
    failed = [each.name for each, result in results if result.why]
    if failed:
        raise Trouble(f"failed: {', '.join(failed)}")


def _settings(directory: Path) -> "Settings":
    from postward.daemon.config import load_settings
    from postward.rules.errors import ConfigErrors

    try:
        return load_settings(directory)
    except ConfigErrors as errors:
        raise Trouble(str(errors), f"postward check {directory}") from None


def _rows(settings: "Settings") -> list[dict[str, Any]]:
    """All lists that are shipped or configured, those that are switched on first."""
    from postward.daemon.dnslists import shipped
    from postward.daemon.wiring import dns_lists_file
    from postward.dnslists.statistics import State, load

    file = dns_lists_file(settings)
    states = load(file) if file is not None else {}
    on = [name for name, section in settings.dns_lists.items() if section.on]
    rows = []
    for name in [*on, *sorted({*shipped(), *settings.dns_lists}.difference(on))]:
        state = states.get(name, State())
        rows.append(
            {
                "list": name,
                "switched_on": name in on,
                "state": "on" if name in on and state.on else "off",
                "why": _why(state) if name in on else _NOT_ON,
                "since": state.since,
                "tested": state.tested,
                **asdict(state.counts),
                "steps": [asdict(step) for step in state.steps],
            }
        )
    return rows


def _why(state: "State") -> str:
    """Silence at the first test is no verdict yet: it is tested again in a moment."""
    from postward.dnslists.statistics import NOT_TESTED

    return _SILENT if state.tested and state.why == NOT_TESTED else state.why


def _doubts(settings: "Settings") -> Iterable[str]:
    from postward.daemon.dnslists import doubts
    from postward.dns.config import servers_from

    return doubts(settings.dns_lists, settings.dns.servers or servers_from(), settings.doors)


def _chosen(settings: "Settings", name: str | None) -> "Sequence[Definition]":
    """The lists to test. Raises Trouble: there is none of that name, or it needs a key."""
    from pydantic import ValidationError

    from postward.daemon.dnslists import ListSection, definitions, shipped
    from postward.rules.errors import did_you_mean

    if name is None:
        return definitions(settings.dns_lists)
    section = settings.dns_lists.get(name)
    if section is not None:
        return (section.definition(name),)
    if name not in shipped():
        near = did_you_mean(name, sorted({*shipped(), *settings.dns_lists}))
        raise Trouble(f"there is no DNS list {name}{near}")
    try:
        return (ListSection.model_validate({**shipped()[name], "on": True}).definition(name),)
    except ValidationError:
        raise Trouble(f"{name} needs a key", f"write dns_lists: {{{name}: {{key: ...}}}}") from None


async def _tested(settings: "Settings", chosen: "Sequence[Definition]") -> "list[tuple[Definition, Result]]":
    from postward.daemon.wiring import SystemClock, resolver
    from postward.dnslists.selftest import full

    dns = resolver(settings, SystemClock())
    results = await asyncio.gather(*(full(each, dns, random.SystemRandom()) for each in chosen))
    return list(zip(chosen, results, strict=True))


def _as_dict(each: "Definition", result: "Result") -> dict[str, Any]:
    return {
        "list": each.name,
        "passed": not result.why,
        "why": result.why,
        "steps": [asdict(step) for step in result.steps],
    }


def _steps(each: "Definition", result: "Result") -> None:
    click.echo(f"{each.name}: {printable(result.why) or 'in order'}")
    for step in result.steps:
        word = "ok" if step.passed else "FAILED"
        click.echo(f"  {word:<7}{printable(step.asked)}: {printable(step.answer)}")


def _table(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    from postward.console.timeline import paper

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for name in ("list", "state", "tested", *_NUMBERS):
        table.add_column(name, justify="right" if name in _NUMBERS else "left")
    table.add_column("why", overflow="fold")
    for row in rows:
        tested = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row["tested"])) if row["tested"] else "never"
        cells = [row["list"], row["state"], tested, *(str(row[name]) for name in _NUMBERS), row["why"]]
        style = "" if row["state"] == "on" else "red" if row["switched_on"] else "dim"
        table.add_row(*(Text(printable(cell), style=style) for cell in cells))
    paper().print(table)
