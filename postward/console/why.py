"""`postward why`: what was decided about a mail, by which rules, from the journal."""

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from postward.console.options import Trouble, config_option, json_option

if TYPE_CHECKING:
    from postward.daemon.config import Settings
    from postward.journal import Entry
    from postward.store.journal_search import JournalReader

_TRACE = re.compile(r"[0-9A-HJKMNP-TV-Z]{4,10}\Z")  # postward.trace; four characters are worth a look
_MAX_MAILS = 50


@click.command()
@click.argument("key", metavar="KEY")
@config_option
@json_option
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="For an address: how many mails, newest first.",
)
@click.option("--all", "every", is_flag=True, help="Show the rules that found nothing too.")
def why(key: str, directory: Path, as_json: bool, limit: int, every: bool) -> None:
    """Show what was decided about a mail, and why.

    KEY is the trace id that stands in the reply to the sender (its first characters will do), a
    queue id of Postfix, an address of a sender or a recipient, a login, or a client's IP address.

    \b
    Examples:
      postward why 7QK2M8XW4T
      postward why 4bXyZ12345zQq
      postward why alice@example.org --limit 3
    """
    from postward.console import timeline
    from postward.daemon.config import load_settings
    from postward.rules.errors import ConfigErrors

    try:
        settings = load_settings(directory)
    except ConfigErrors as errors:
        raise Trouble(str(errors), f"postward check {directory}") from None
    mails = find(settings, key.strip(), min(limit, _MAX_MAILS))
    if not mails:
        raise Trouble(
            f"the journal knows nothing of {key}",
            "it keeps what journal.keep says, and is written 0.2 s late",
        )
    if as_json:
        click.echo(json.dumps([entry.as_dict() for mail in mails for entry in mail], indent=2))
    else:
        timeline.show(mails, every=every)


def find(settings: "Settings", key: str, limit: int) -> "list[tuple[Entry, ...]]":
    """The mails that `key` means, newest first, each as its decisions in their order. Raises Trouble."""
    from postward.state import StoreDown
    from postward.store.journal_search import JournalReader

    if settings.journal is None:
        raise Trouble("this site keeps no journal", "postward.yml says `journal: off`")
    path = settings.journal.path
    try:
        there = path.exists() and os.access(path, os.R_OK | os.X_OK)
        hidden = path.exists() and not there
    except PermissionError:
        there, hidden = False, True
    if hidden:
        raise Trouble(f"not allowed to read {path}", "run it as root, or as the daemons' user")
    if not there:
        raise Trouble(f"there is no journal at {path} yet", "the daemons make it when they start")
    try:
        reader = JournalReader(path)
        traces = _traces(reader, settings, key, limit)
        return [_decisions(reader, trace) for trace in traces]
    except StoreDown as down:
        raise Trouble(str(down)) from None


def _traces(reader: "JournalReader", settings: "Settings", key: str, limit: int) -> list[str]:
    """The trace ids that `key` leads to, newest first, each once."""
    rows = reader.by_trace(key.upper()) if _TRACE.match(key.upper()) else []
    rows = rows or reader.by_queue_id(key)
    if not rows:
        rows = [row for name in _spellings(settings, key) for row in reader.by_address(name, limit * 20)]
    rows.sort(key=lambda row: row.time, reverse=True)
    return list(dict.fromkeys(row.trace for row in rows))[:limit]


def _decisions(reader: "JournalReader", trace: str) -> "tuple[Entry, ...]":
    from postward.journal import Entry
    from postward.stage import Stage

    entries = (Entry.load(row.body_json) for row in reader.by_trace(trace))
    # Both doors may have answered within a millisecond: then the stages tell the order, and at one stage
    # Postfix asks the policy service first.
    return tuple(
        sorted(entries, key=lambda each: (each.time, Stage[each.stage.upper()], each.door != "policyd"))
    )


def _spellings(settings: "Settings", address: str) -> list[str]:
    """How the journal may have written this address: as it is, and as its pseudonym."""
    from postward.address import parse
    from postward.journal import Pseudonyms

    plain = Pseudonyms(None).of(parse(address)).lower()
    try:
        key = settings.findings_key.read_bytes()
    except OSError:  # no right to read it, or none yet: then there are no pseudonyms to be found
        return [plain]
    return [plain, Pseudonyms(key).of(parse(address)).lower()]
