"""`postward list`: entries of the lists added, removed, shown, and taken out when their time is over."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from postward.console.options import Number, Trouble, config_option, json_option
from postward.printable import printable

if TYPE_CHECKING:
    from postward.daemon.configuration import Configuration
    from postward.list_value import Meaning
    from postward.lists import CompiledList
    from postward.tools import Entry

_DAY = 86_400
_SPAN = re.compile(r"([0-9]{1,5})([dw])\Z", re.ASCII)
_WITHIN = 30.0  # seconds for the daemons to take the change over
_MAX_NOTE = 500
no_reload = click.option("--no-reload", is_flag=True, help="Leave the running daemons as they are.")


@click.group("list")
def lists() -> None:
    """Keep the lists of networks, names and addresses: the files lists/NAME.yml.

    The admin's comments and order stay. The whole configuration is checked before a file is replaced, and
    running daemons take the change over.

    \b
    Examples:
      postward list add hosting AS64500 --note "reports bounce" --expires 90d --score 2
      postward list show deny-clients 192.0.2.7
    """


@lists.command()
@click.argument("name", metavar="LIST")
@click.argument("value")
@click.option("--note", default="", help="Why; shown to people, and to senders where a rule says so.")
@click.option(
    "--expires", default="", help="The last day, 2027-01-31, or in how many days or weeks: 30d, 4w."
)
@click.option("--score", type=Number(-1000, 1000), help="What it weighs, for rules that ask.")
@click.option("--whole", is_flag=True, help="Your word that a whole provider is meant.")
@no_reload
@config_option
@json_option
def add(
    name: str,
    value: str,
    note: str,
    expires: str,
    score: float | None,
    whole: bool,
    no_reload: bool,
    directory: Path,
    as_json: bool,
) -> None:
    """Add VALUE to LIST: an address, a CIDR, AS64500, example.org, .example.org, alice@example.org.

    \b
    Examples:
      postward list add deny-clients 192.0.2.0/24 --note "ticket 4711" --expires 30d
      postward list add hosting .vps.example.net --score 1.5
    """
    from postward.console.list_file import changing
    from postward.console.list_text import entry_text, layout, with_entry
    from postward.list_value import BadEntry, meaning

    now = time.time()
    try:
        meant = meaning(value)
    except BadEntry as error:
        raise Trouble(str(error)) from None
    members: dict[str, str | float | bool] = {"value": value.strip()}
    if note:
        members["note"] = _note(note)
    members["added"] = _day(now)
    if expires:
        members["expires"] = _last_day(expires, now)
    if score is not None:
        members["score"] = score
    if whole:
        members["whole"] = True

    def edit(text: str) -> str:
        for spot in layout(text).entries:
            if _meaning(spot.value) == meant:
                line = text.count("\n", 0, spot.start) + 1
                hint = f"postward list remove {name} {spot.value}"
                raise Trouble(f"{spot.value} stands in {name} already (line {line})", hint)
        return with_entry(text, entry_text(members))

    with changing(directory) as files:
        _known(directory, name)
        configuration = files.change(
            name, edit, None if whole else lambda then: _not_whole(name, meant, then)
        )
        doors = _taken_over(configuration, no_reload)
    _told(as_json, {"list": name, "file": str(files.path(name)), "added": members, "reloaded": doors})
    if meant.kind == "asn" and not configuration.settings.networks.asn_file:
        warning = "it matches nothing until networks: asn_file in postward.yml names a database of AS numbers"
        click.echo(f"warning: {name}: {value.strip()}: {warning}", err=True)
    for doubt in configuration.rules.doubts:
        if doubt.mark.file.endswith(f"/lists/{name}.yml"):
            click.echo(f"warning: {name}: {printable(doubt.text, 2000)}", err=True)


@lists.command()
@click.argument("name", metavar="LIST")
@click.argument("value")
@no_reload
@config_option
@json_option
def remove(name: str, value: str, no_reload: bool, directory: Path, as_json: bool) -> None:
    """Take VALUE out of LIST, however it is written there.

    \b
    Example:
      postward list remove deny-clients 192.0.2.0/24
    """
    from postward.console.list_file import changing
    from postward.console.list_text import layout, without

    meant = _meaning(value)

    def edit(text: str) -> str:
        spots = enumerate(layout(text).entries)
        gone = {n for n, spot in spots if value.strip() == spot.value.strip() or _is(meant, spot.value)}
        if not gone:
            raise Trouble(f"{value} does not stand in {name}", f"postward list show {name} {value}")
        return without(text, gone)

    with changing(directory) as files:
        _known(directory, name)
        configuration = files.change(name, edit)
        doors = _taken_over(configuration, no_reload)
    _told(as_json, {"list": name, "file": str(files.path(name)), "removed": value, "reloaded": doors})


@lists.command()
@click.argument("name", metavar="[LIST]", required=False)
@click.option("--dry-run", is_flag=True, help="Only say which they are.")
@no_reload
@config_option
@json_option
def expire(name: str | None, dry_run: bool, no_reload: bool, directory: Path, as_json: bool) -> None:
    """Take out the entries whose last day is over, of LIST or of all lists, and say which.

    They do not match any more; this only cleans up.

    \b
    Examples:
      postward list expire --dry-run
      postward list expire deny-clients
    """
    from postward.console.list_file import changing, configured

    now = time.time()
    with changing(directory) as files:
        configuration = configured(directory)
        if name is not None:
            _known(directory, name)
        gone = {
            each: [entry for entry in made.entries() if entry.expires is not None and entry.expires <= now]
            for each, made in configuration.rules.lists.items()
            if name in (None, each) and files.path(each).exists()
        }
        gone = {each: entries for each, entries in gone.items() if entries}
        doors: tuple[str, ...] = ()
        if gone and not dry_run:
            for each, entries in gone.items():
                configuration = files.change(each, _without_values({entry.value for entry in entries}))
            doors = _taken_over(configuration, no_reload)
    if as_json:
        rows = {each: [_row(entry, now) for entry in entries] for each, entries in gone.items()}
        click.echo(json.dumps({"expired": rows, "dry_run": dry_run, "reloaded": doors}, indent=2))
        return
    for each, entries in gone.items():
        for entry in entries:
            note = f" ({entry.note})" if entry.note else ""
            click.echo(printable(f"{each}: {entry.value}, until {_until(entry)}{note}", 2000))
    count = sum(map(len, gone.values()))
    what = "entry has" if count == 1 else "entries have"
    click.echo(f"{count or 'no'} {what} expired{'; nothing was changed' if dry_run and count else ''}")


@lists.command()
@click.argument("name", metavar="[LIST]", required=False)
@click.argument("value", required=False)
@config_option
@json_option
def show(name: str | None, value: str | None, directory: Path, as_json: bool) -> None:
    """Show all lists, the entries of LIST, or which entry of LIST matches VALUE and by what.

    VALUE is an address (also looked up in the database of networks), a network, an AS number, a domain
    name or a mail address.

    \b
    Examples:
      postward list show
      postward list show hosting
      postward list show hosting 192.0.2.7
    """
    from postward.console.list_file import configured
    from postward.console.list_show import matching, table_of_entries, table_of_lists

    now = time.time()
    configuration = configured(directory)
    if name is None:
        table_of_lists(configuration, now, as_json)
        return
    made = _known_in(configuration, name)
    if value is None:
        rows = [_row(entry, now) for entry in made.entries()]
        if as_json:
            click.echo(json.dumps(rows, indent=2))
        else:
            table_of_entries(rows)
        return
    found = matching(configuration, made, value.strip(), now)
    entry = found.match.entry if found.match is not None else None
    if as_json:
        row = _row(entry, now) if entry is not None else None
        by = found.match.by if found.match is not None else None
        click.echo(json.dumps({"list": name, "value": value, "entry": row, "by": by, "about": found.about}))
        return
    for line in found.about:
        click.echo(printable(line, 2000))
    if entry is None or found.match is None:
        click.echo(printable(f"nothing in {name} matches {value}", 2000))
        return
    click.echo(printable(f"{value} matches {entry.value} in {name}, by {found.match.by}", 2000))
    for label, text in _row(entry, now).items():
        if label != "value" and text not in (None, "", False):
            click.echo(f"  {label:<9}{printable(str(text), 2000)}")


def _known(directory: Path, name: str) -> None:
    """Raises Trouble where there is no list of this name, shipped or of the site."""
    from postward.rules.load import SHIPPED

    found = (*(SHIPPED / "lists").glob("*.yml"), *(directory / "lists").glob("*.yml"))
    names = {path.stem for path in found if not path.name.startswith(".")}
    if name not in names:
        _no_such_list(name, names)


def _known_in(configuration: "Configuration", name: str) -> "CompiledList":
    if name not in configuration.rules.lists:
        _no_such_list(name, set(configuration.rules.lists))
    return configuration.rules.lists[name]


def _no_such_list(name: str, names: set[str]) -> None:
    from postward.rules.errors import did_you_mean

    raise Trouble(
        f"there is no list {name}{did_you_mean(name, sorted(names))}",
        "for a new one write lists/NAME.yml with the line entries: [] and a rule that uses it",
    )


def _not_whole(name: str, meant: "Meaning", then: "Configuration") -> None:
    """Raises Trouble where a rule would refuse a whole provider by this entry."""
    from postward.list_value import is_wide
    from postward.rules.doubts import refusing_lists

    every = (*then.rules.rules, *(rule for override in then.rules.overrides for rule in override.rules))
    rule = refusing_lists(every).get(name)
    if rule is not None and is_wide(meant):
        whom = f"every server of AS{meant.key}" if meant.kind == "asn" else f"all of {meant.key}"
        raise Trouble(
            f"the rule {rule} would refuse {whom}: a whole provider, with all its honest customers",
            "nothing was changed; add --whole if that is meant, or take a /16 (IPv6: /32) at the most",
        )


def _meaning(value: str) -> object:
    """What a value means; itself where it means nothing."""
    from postward.list_value import BadEntry, meaning

    try:
        return meaning(value)
    except BadEntry:
        return value


def _is(meant: object, value: str) -> bool:
    return _meaning(value) == meant


def _without_values(values: set[str]) -> Callable[[str], str]:
    def edit(text: str) -> str:
        from postward.console.list_text import layout, without

        return without(text, {n for n, spot in enumerate(layout(text).entries) if spot.value in values})

    return edit


def _note(note: str) -> str:
    if not note.isprintable() or len(note) > _MAX_NOTE:
        raise Trouble(f"a note is one line of at most {_MAX_NOTE} printable characters")
    return note


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


def _last_day(text: str, now: float) -> str:
    """`30d`, `4w` or `2027-01-31` as the last day. Raises Trouble."""
    if (span := _SPAN.match(text)) is not None:
        return _day(now + int(span[1]) * (_DAY if span[2] == "d" else 7 * _DAY))
    try:
        day = time.strptime(text, "%Y-%m-%d")
    except ValueError:
        raise Trouble(f"{text!r} is no day", "write 2027-01-31, or 30d or 4w from today on") from None
    made = time.strftime("%Y-%m-%d", day)
    if made < _day(now):
        raise Trouble(f"{made} is over", "an entry is on the list up to the end of that day (UTC)")
    return made


def _until(entry: "Entry") -> str | None:
    return _day(entry.expires - _DAY) if entry.expires is not None else None


def _row(entry: "Entry", now: float) -> dict[str, Any]:
    return {
        "value": entry.value,
        "note": entry.note,
        "added": entry.added,
        "expires": _until(entry),
        "score": entry.score,
        "whole": entry.whole,
        "expired": entry.expires is not None and entry.expires <= now,
    }


def _taken_over(configuration: "Configuration", no_reload: bool) -> tuple[str, ...]:
    """The doors that run with the change. Raises Trouble when one does not take it over."""
    from postward.console.reload import have_reloaded

    if no_reload:
        return ()
    digest = configuration.rules.digest
    doors = have_reloaded(configuration.settings, digest, _WITHIN, lambda _line: None)
    return tuple(sorted(door.value for door in doors))


def _told(as_json: bool, outcome: dict[str, Any]) -> None:
    if as_json:
        click.echo(json.dumps(outcome, indent=2))
        return
    verb, what = next((verb, outcome[verb]) for verb in ("added", "removed") if verb in outcome)
    value = what["value"] if isinstance(what, dict) else what
    doors = f"{', '.join(outcome['reloaded'])} took it over" if outcome["reloaded"] else "no daemon was told"
    click.echo(printable(f"{outcome['list']}: {value} {verb}; {doors}", 2000))


list = lists  # noqa: A001  # the command's name, by which the main command finds it
