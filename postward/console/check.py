"""`postward check`: is the configuration valid?"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from postward.console.options import Trouble, config_option
from postward.printable import printable

if TYPE_CHECKING:
    from postward.rules.ruleset import Ruleset


@click.command()
@click.argument("where", required=False, type=click.Path(path_type=Path))
@config_option
def check(where: Path | None, directory: Path) -> None:
    """Say whether postward.yml, the rules and the lists in DIR are valid; exit 0 or 1.

    Each thing that is wrong is printed as `file:line:column: path: what is wrong`. What is allowed
    but surely not meant is a warning, and no reason to refuse.

    \b
    Examples:
      postward check
      postward check /root/new-rules
    """
    from postward.daemon.configuration import configure
    from postward.rules.errors import ConfigErrors

    try:
        configuration = configure(where or directory)
    except ConfigErrors as errors:
        count = len(errors.problems)
        click.echo("\n".join(str(problem) for problem in errors.problems), err=True)
        raise Trouble(f"{count} error{'s' if count > 1 else ''}; running daemons keep their rules") from None
    for doubt in configuration.rules.doubts:
        click.echo(f"warning: {doubt}", err=True)
    for broken in _broken_networks(configuration.settings.networks.asn_file):
        click.echo(f"warning: networks: {broken}; daemons go on with what they read before", err=True)
    click.echo(_summary(configuration.rules))
    if expired := _expired(configuration.rules, time.time()):
        click.echo(expired)


def _broken_networks(files: Iterable[Path]) -> Iterator[str]:
    """What is wrong with the databases of networks."""
    from postward.networks.broken import BrokenDatabase
    from postward.networks.database import load

    for path in files:
        try:
            load(path)
        except BrokenDatabase as broken:
            yield printable(str(broken), 2000)


def _expired(rules: "Ruleset", now: float) -> str:
    """`1 rule has expired (NAME, until 2026-10-31)`; empty when none has."""
    days = {
        name: time.strftime("%Y-%m-%d", time.gmtime(end - 86_400))
        for name, end in sorted(rules.expired(now).items())
    }
    if not days:
        return ""
    listed = "; ".join(f"{name}, until {day}" for name, day in days.items())
    return f"{len(days)} rule{' has' if len(days) == 1 else 's have'} expired ({listed})"


def _summary(rules: "Ruleset") -> str:
    """`ok: 12 rules (2 shadow), 3 lists, placed: policyd rcpt 9, milter eom 3 (4c1f...)`."""
    modes = Counter(rule.mode.value for rule in rules.rules if rule.mode.value != "enforce")
    apart = f" ({', '.join(f'{count} {mode}' for mode, count in sorted(modes.items()))})" if modes else ""
    places = Counter((rule.door.value, rule.stage) for rule in rules.rules if rule.mode.value != "off")
    placed = ", ".join(
        f"{door} {stage.word} {count}"
        for (door, stage), count in sorted(
            places.items(), key=lambda each: (each[0][0] != "policyd", each[0][1])
        )
    )
    return (
        f"ok: {len(rules.rules)} rules{apart}, {len(rules.lists)} lists, "
        f"placed: {placed or 'none'}; digest {rules.digest}"
    )
