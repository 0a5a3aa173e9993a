"""`postward rating`: the records of clients, networks, domains and logins, and a person's word on them."""

import json
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from postward.console.options import Number, Trouble, config_option, json_option
from postward.console.rating_note import networks_of, note
from postward.console.store import on_store, settings_in, when, who
from postward.printable import printable

if TYPE_CHECKING:
    from postward.daemon.config import Settings
    from postward.state import Rating, RatingChange, Store

MOST_ROWS = 1_000_000
_TOLD = 20  # ratings of an imported file, one line each


def _given(_context: click.Context, _option: click.Parameter, value: str) -> str:
    if not value.strip():
        raise click.BadParameter('say why, such as --reason "their abuse desk does not answer"')
    return value.strip()


reason_option = click.option(
    "--reason", required=True, callback=_given, help="Why; it is kept with the rating."
)


@click.group()
def rating() -> None:
    """Show and edit what is on record about clients, networks, domains and logins.

    \b
    Examples:
      postward rating show 192.0.2.7
      postward rating set network:192.0.2.0/24 -8 --reason "their abuse desk does not answer"
    """


@rating.command()
@click.argument("what", nargs=-1, metavar="[KEY|ADDRESS|DOMAIN|LOGIN]...")
@click.option("--worst", type=click.IntRange(1, 10_000), help="The so many worst ones.  [default: 20]")
@config_option
@json_option
def show(what: tuple[str, ...], worst: int | None, directory: Path, as_json: bool) -> None:
    """Show ratings with their last changes; of an address those of its network and AS too.

    \b
    Examples:
      postward rating show 192.0.2.7
      postward rating show example.org login:alice@example.org
      postward rating show --worst 50
    """
    if what and worst:
        raise click.UsageError("name what to show, or give --worst, not both")
    settings = settings_in(directory)
    keys = tuple(dict.fromkeys(key for each in what for key in _keys(each, settings)))

    async def read(store: "Store") -> "list[tuple[str, Rating | None, tuple[RatingChange, ...]]]":
        now, ratings = time.time(), store.ratings
        if not keys:
            rows = await ratings.rows(now=now, limit=worst or 20)
            return [(each.key, each, ()) for each in rows]
        found = await ratings.read(keys, now=now)
        pairs = zip(keys, found, strict=True)
        return [(key, each, await ratings.history(key)) for key, each in pairs]

    shown = on_store(settings, "ratings", read)
    if as_json:
        click.echo(json.dumps([_as_dict(*each) for each in shown], indent=2))
    elif shown:
        _table(shown)
    else:
        click.echo("nobody is rated yet")


# A negative number looks like an option.
@rating.command("set", context_settings={"ignore_unknown_options": True})
@click.argument("key")
@click.argument("points", type=Number(-100, 100))
@reason_option
@config_option
@json_option
def set_(key: str, points: float, reason: str, directory: Path, as_json: bool) -> None:
    """Give KEY these POINTS, above zero for good; they stand until they are cleared.

    \b
    Example:
      postward rating set asn:64500 -6 --reason "snowshoe spam since May"
    """
    one = _key(key)

    async def work(store: "Store") -> "tuple[Rating | None, Rating]":
        now = time.time()
        (before,) = await store.ratings.read((one,), now=now)
        return before, await store.ratings.set(one, points, now=now, by=who(), reason=reason)

    before, after = on_store(settings_in(directory), "ratings", work)
    if as_json:
        click.echo(json.dumps(asdict(after), indent=2))
    else:
        click.echo(f"{printable(one, 300)}: {after.points:.2f} until it is cleared ({_was(before)})")


rating.add_command(note)


@rating.command()
@click.argument("key")
@reason_option
@config_option
@json_option
def clear(key: str, reason: str, directory: Path, as_json: bool) -> None:
    """Forget the rating of KEY; it begins anew with the next mail. Its history stays.

    \b
    Example:
      postward rating clear client:192.0.2.7 --reason "they have mended it"
    """
    one = _key(key)

    async def work(store: "Store") -> "Rating | None":
        now = time.time()
        (before,) = await store.ratings.read((one,), now=now)
        await store.ratings.clear(one, now=now, by=who(), reason=reason)
        return before

    before = on_store(settings_in(directory), "ratings", work)
    if before is None:
        raise Trouble(f"{one} is not rated", f"postward rating show {one}")
    if as_json:
        click.echo(json.dumps({"key": one, "was": before.points}))
    else:
        click.echo(f"{printable(one, 300)}: cleared ({_was(before)})")


@rating.command("export")
@click.argument("file", type=click.File("w", encoding="utf-8", atomic=True), default="-")
@config_option
def export(file: Any, directory: Path) -> None:
    """Write all ratings to FILE, one JSON object a line; without FILE to standard output.

    \b
    Example:
      postward rating export ratings.jsonl
    """

    async def rows(store: "Store") -> "tuple[Rating, ...]":
        return await store.ratings.rows(now=time.time(), limit=MOST_ROWS)

    found = on_store(settings_in(directory), "ratings", rows)
    for each in found:
        file.write(json.dumps(asdict(each)) + "\n")
    click.echo(f"{len(found)} ratings", err=True)


@rating.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@config_option
def import_(file: Path, directory: Path) -> None:
    """Take over the ratings in FILE: JSON lines as `export` writes them, or a YAML list (*.yml).

    What a person set is set again. Of the others those are taken that are not rated here yet. If
    anything in the file is wrong, nothing is taken. The first 20 that change, or that are kept as
    they are here, are shown, and how many there were of each.

    \b
    Example:
      postward rating import ratings.jsonl
    """
    from postward.console.rating_file import BadFile, read_file, take

    try:
        entries = read_file(file)
    except BadFile as bad:
        raise Trouble(str(bad), "nothing was taken; mend the file") from None
    told = on_store(settings_in(directory), "ratings", lambda store: take(store, entries, by=who()))
    differ = [each for each in told if each.became != "unchanged"]
    for each in differ[:_TOLD]:
        click.echo(f"{printable(each.key, 300)}: {each.text}")
    if len(differ) > _TOLD:
        click.echo(f"and {len(differ) - _TOLD} more")
    counts = Counter(each.became for each in told)
    numbers = ", ".join(f"{counts[name]} {name}" for name in ("taken", "kept", "unchanged"))
    click.echo(f"{len(told)} ratings: {numbers}", err=True)


def _key(text: str) -> str:
    from postward.derive.rating_key import BadKey, read_key

    try:
        return read_key(text)
    except BadKey as bad:
        raise Trouble(str(bad)) from None


def _keys(text: str, settings: "Settings") -> tuple[str, ...]:
    """All keys that `text` stands for; of an address also that of its autonomous system."""
    from postward.derive.rating_key import BadKey, key_of_asn, keys_about
    from postward.network import address_of

    try:
        keys = keys_about(text)
    except BadKey as bad:
        raise Trouble(str(bad)) from None
    address = address_of(text.strip())
    network = networks_of(settings).find(address) if address is not None else None
    return (*keys, key_of_asn(network.asn)) if network is not None else keys


def _was(before: "Rating | None") -> str:
    return "was not rated" if before is None else f"was {before.points:.2f}"


def _as_dict(key: str, found: "Rating | None", history: "tuple[RatingChange, ...]") -> dict[str, Any]:
    rated = asdict(found) if found is not None else {"key": key, "points": None}
    return rated | {"history": [asdict(each) for each in history]}


def _table(shown: "list[tuple[str, Rating | None, tuple[RatingChange, ...]]]") -> None:
    from rich.table import Table
    from rich.text import Text

    from postward.console.timeline import paper

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for name in ("rating of", "points", "events", "changed", "why"):
        table.add_column(name, overflow="fold", justify="right" if name in ("points", "events") else "left")
    for key, found, history in shown:
        cells = (key, "-", "", "", "not rated") if found is None else _cells(found)
        table.add_row(*(Text(printable(cell)) for cell in cells))
        for each in history:
            then = ("", f"{each.points:+.2f}", "", when(each.at), f"{each.reason} ({each.by})")
            table.add_row(*(Text(printable(cell), "dim") for cell in then))
    paper().print(table)


def _cells(found: "Rating") -> tuple[str, ...]:
    why = f"{found.reason} (set by a person)" if found.pinned else found.reason
    return found.key, f"{found.points:.2f}", f"{found.samples:.0f}", when(found.updated), why
