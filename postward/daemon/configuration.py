"""A configuration directory as a whole: settings, rules and lists, valid together or not at all."""

from dataclasses import dataclass
from pathlib import Path

from postward.daemon.config import Settings, load_settings
from postward.rules.errors import ConfigErrors, Problem
from postward.rules.load import load
from postward.rules.ruleset import Ruleset


@dataclass(frozen=True, slots=True)
class Configuration:
    """All that a configuration directory says."""

    directory: Path
    settings: Settings
    rules: Ruleset


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
            rules = load(directory, (settings or Settings()).doors)
        except ConfigErrors as errors:
            problems += errors.problems
    if settings is None or rules is None:
        raise ConfigErrors(problems)
    return Configuration(directory, settings, rules)
