"""A mail's decisions as a person reads them: what was answered, by which rules, in what time."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from postward.printable import printable

if TYPE_CHECKING:
    from postward.journal import Entry, RuleEntry

_COLOURS = {
    "accept": "green",
    "continue": "green",
    "tag": "yellow",
    "quarantine": "yellow",
    "defer": "yellow",
    "hold": "yellow",
    "reject": "red",
    "discard": "red",
}


def show(mails: "Sequence[Sequence[Entry]]", *, every: bool, console: Console | None = None) -> None:
    """Print each mail: its envelope, then its decisions with the rules that found something.

    `every`: the other rules too.
    """
    out = console or paper()
    for number, mail in enumerate(mails):
        if number:
            out.print()
        _head(out, mail)
        for entry in mail:
            _decision(out, entry, every)


def paper() -> Console:
    """Standard output: as wide as the terminal, wide enough for a table where there is none."""
    out = Console(highlight=False)
    return out if out.is_terminal else Console(highlight=False, width=160)


def _head(out: Console, mail: "Sequence[Entry]") -> None:
    last = mail[-1]
    out.print(escaped(f"Mail {last.trace}", "bold"))
    queue_id = next((entry.queue_id for entry in reversed(mail) if entry.queue_id), "")
    recipients = dict.fromkeys(each for entry in mail for each in entry.recipients)
    client = f"{last.client or 'local'} {last.client_name}".strip()
    for label, value in (
        ("client", f"{client}, HELO {last.helo}" if last.helo else client),
        ("login", last.login),
        ("from", f"<{last.sender}>"),
        ("to", ", ".join(recipients)),
        ("queue id", queue_id),
        ("listener", last.listener),
    ):
        if value:
            out.print(Text(f"  {label:<9}", "dim") + escaped(value))


def _decision(out: Console, entry: "Entry", every: bool) -> None:
    second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(entry.time))  # as in the log, to be found there
    when = f"{second}.{int(entry.time % 1 * 1000):03d}Z"
    line = Text(f"\n  {when}  {entry.door:<7} {entry.stage:<7} ")
    line += escaped(entry.decision.upper(), f"bold {colour(entry.decision)}")
    if entry.by:
        line += escaped(f" by {entry.by}")
    line += escaped(f"  score {entry.score:g}  {entry.ms:.1f} ms", "dim")
    out.print(line, soft_wrap=True)
    if len(entry.recipients) == 1:
        out.print(escaped(f"    to {entry.recipients[0]}", "dim"), soft_wrap=True)
    if entry.reply:
        out.print(escaped(f"    answered: {entry.reply}"), soft_wrap=True)
    if entry.would:
        out.print(escaped(f"    with every rule enforced: {entry.would.upper()}", "magenta"))
    shown = [rule for rule in entry.rules if every or rule.finding in ("hit", "unsure")]
    if shown:
        out.print(rules_table(shown))
    rest = len(entry.rules) - len(shown)
    if rest:
        out.print(escaped(f"    {rest} other rules found nothing (--all shows them)", "dim"))


def rules_table(rules: "Sequence[RuleEntry]") -> Table:
    """The rules as a table: what each found and what followed."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in ("    rule", "found", "what", "followed", "score", "ms"):
        numbers = name in ("score", "ms")
        table.add_column(
            name, justify="right" if numbers else "left", overflow="fold", no_wrap=name != "what"
        )
    for rule in rules:
        found = f"{rule.finding}: {rule.reason}" if rule.reason else rule.finding
        followed = rule.outcome or "-"
        if not rule.enforced:
            followed += f" ({rule.mode}: not done)" if rule.outcome else f" ({rule.mode})"
        table.add_row(
            escaped(f"    {rule.rule}"),
            escaped(found, "bold" if rule.finding == "hit" else "dim"),
            escaped(rule.detail),
            escaped(followed),
            escaped(f"{rule.score:+g}" if rule.score else ""),
            escaped(f"{rule.ms:.1f}" if rule.finding != "skipped" else "", "dim"),
        )
    return table


def escaped(value: str, style: str = "") -> Text:
    """Text that a mail may have had a hand in: escaped once more, and never read as markup."""
    return Text(printable(value, 2000), style)


def colour(decision: str) -> str:
    """The colour of a decision's word."""
    return _COLOURS.get(decision, "default")
