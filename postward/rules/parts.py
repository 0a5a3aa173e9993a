"""The members of a rule, each read whatever is wrong with the others, and what follows from them together."""

from dataclasses import dataclass
from typing import Any

from postward.checks import Check
from postward.rules.conditions import Condition
from postward.rules.outcomes import Outcome
from postward.rules.rule import Mode
from postward.rules.text import Template
from postward.stage import Door, Stage


@dataclass(frozen=True, slots=True)
class Parts:
    """None: not given, or wrong."""

    kind: type[Any] | None
    check: Check | None
    when: tuple[Condition, ...]
    unless: tuple[Condition, ...]
    then: Outcome | None
    unsure: Outcome | None
    wanted: tuple[Door | None, Stage | None]
    sure: bool
    """Nothing was wrong with what a rule's place depends on."""
    mode: tuple[Mode, float] | None
    until: float | None
    reason: Template | None
    remedy: Template | None
    rate: float
    remember: tuple[str, float] | None

    @property
    def conditions(self) -> tuple[Condition, ...]:
        return (*self.when, *self.unless)

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        return tuple(each for each in (self.then, self.unsure) if each is not None)

    def says(self, word: str) -> bool:
        """Whether `then:` or `unsure:` is this outcome."""
        return any(outcome.word == word for outcome in self.outcomes)

    @property
    def needs(self) -> frozenset[str]:
        """The facts that must be known, as far as can be told."""
        asked = self.check.needs if self.check is not None else frozenset()
        needs = asked.union(*(condition.needs for condition in self.conditions))
        if any(outcome.subject for outcome in self.outcomes):
            needs |= {"headers"}
        if any(outcome.word == "hold" for outcome in self.outcomes):
            needs |= {"sender"}  # a ticket is about the sender's domain
        return needs
