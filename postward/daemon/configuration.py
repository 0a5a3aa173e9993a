"""A configuration directory as a whole: settings, rules and lists, valid together or not at all."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from postward.daemon.config import FILE_NAME, Settings, load_settings
from postward.daemon.dnslists import doubts, shipped
from postward.dns.config import servers_from
from postward.rules.errors import ConfigErrors, Mark, Problem
from postward.rules.load import load
from postward.rules.ruleset import Ruleset
from postward.stage import Door

_log = logging.getLogger("postward.daemon")


@dataclass(frozen=True, slots=True)
class Configuration:
    """All that a configuration directory says."""

    directory: Path
    settings: Settings
    rules: Ruleset

    def warn_of_doubts(self) -> None:
        """Log what is allowed but surely not meant."""
        for doubt in self.rules.doubts:
            _log.warning("%s", doubt)


def configure(directory: Path) -> Configuration:
    """Read `directory`: postward.yml, rules and lists. Raises ConfigErrors with all that is wrong."""
    problems: list[Problem] = []
    settings = rules = None
    try:
        settings = load_settings(directory)
    except ConfigErrors as errors:
        problems += errors.problems
    if directory.is_dir():
        try:
            known = frozenset({*shipped(), *settings.dns_lists}) if settings is not None else None
            rules = load(directory, (settings or Settings()).doors, known)
        except ConfigErrors as errors:
            problems += errors.problems
    if settings is None or rules is None:
        raise ConfigErrors(problems)
    rules.doubts += tuple(_without_database(settings, rules, directory / FILE_NAME))
    rules.doubts += tuple(_about_dns_lists(settings, directory / FILE_NAME))
    rules.doubts += tuple(_unheard_holds(settings, rules, directory / FILE_NAME))
    return Configuration(directory, settings, rules)


def _about_dns_lists(settings: Settings, file: Path) -> Iterator[Problem]:
    """A doubt where DNS lists are switched on, and are asked through a public resolver or not at all."""
    servers = settings.dns.servers or servers_from()
    for doubt in doubts(settings.dns_lists, servers, settings.doors):
        yield Problem(Mark(str(file), 1, 1), ("dns_lists",), doubt)


def _unheard_holds(settings: Settings, rules: Ruleset, file: Path) -> Iterator[Problem]:
    """A doubt where domains are held and nobody is told, or nobody who could tell runs."""
    holding = [rule.name for rule in rules.rules if rule.then.word == "hold" and rule.mode.bites]
    mark, told = Mark(str(file), 1, 1), settings.notify.mail or settings.notify.webhook
    if holding and not told:
        why = f"{', '.join(holding)} holds domains until a person decides, and nobody is told of it"
        yield Problem(mark, ("notify",), why)
    elif told and Door.POLICYD not in settings.doors:
        yield Problem(mark, ("notify",), "has no effect without policyd, which is not among the doors")


def _without_database(settings: Settings, rules: Ruleset, file: Path) -> Iterator[Problem]:
    """A doubt where a list holds AS numbers and there is nothing that could tell them."""
    names = [name for name, each in sorted(rules.lists.items()) if each.has_systems]
    if names and not settings.networks.asn_file:
        why = f"AS numbers in lists ({', '.join(names)}) match nothing without asn_file, a database of them"
        yield Problem(Mark(str(file), 1, 1), ("networks",), why)


def reconfigure(directory: Path) -> Configuration:
    """As `configure`, for a daemon that runs: even a fault of ours only refuses the new rules."""
    try:
        return configure(directory)
    except ConfigErrors:
        raise
    except Exception as error:  # the old rules are good; mail goes on by them
        _log.exception("reading %s failed", directory)
        why = f"cannot be read, by a fault of Postward ({type(error).__name__}); the log has more"
        raise ConfigErrors([Problem(Mark(str(directory), 1, 1), (), why)]) from error
