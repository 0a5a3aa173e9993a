"""What judging a mail gives: findings, score, decision, and what shadow rules would have done."""

from typing import NamedTuple

from postward.decision import Decision, Edit
from postward.finding import Finding
from postward.stage import Stage

AT_ONCE = 0.0001
"""Seconds; a look that found nothing and took less is not told how long it took."""


class Judged(NamedTuple):
    """One rule as it was judged.

    `outcome` is the word of the rule's `then:` (or `unsure:`) that followed, empty when nothing did;
    `score` what it adds to the total if it is enforced; `mode` what the rule ran as: `enforce`,
    `shadow`, `canary` (this mail is in the canary's share: enforced) or `canary-out` (it is not);
    `took` seconds. A rule whose conditions did not hold, or that an earlier decision made needless,
    was not asked: its `finding` is None and `skipped` says why. `rate` and `remember` are what a hit of
    an enforced rule asks to be noted about who is knocking (see `postward.rules.rule.Rule`).
    """

    rule: str
    check: str
    finding: Finding | None
    outcome: str
    score: float
    mode: str
    took: float
    skipped: str = ""
    rate: float = 0.0
    remember: tuple[str, float] | None = None

    @property
    def enforced(self) -> bool:
        """Whether what follows from it was done, not only noted."""
        return self.mode in ("enforce", "canary")


class Judgement(NamedTuple):
    """The answer of the rules at one stage of one message.

    `judged` holds the rules judged for this mail so far at this door, hits and misses; `would` the
    decision if shadow and canary rules had been enforced, `None` when it would be the same; `by` the
    rule or threshold that decided, or empty. Edits are due at end of message only.
    """

    trace: str
    stage: Stage
    decision: Decision
    by: str
    score: float
    judged: tuple[Judged, ...]
    edits: tuple[Edit, ...] = ()
    would: Decision | None = None
    took: float = 0.0
    told: frozenset[str] = frozenset()
    """The rules that an earlier stage of this message has told of already."""

    def news(self) -> "Judgement":
        """The judgement for the record: without the rules that were told before."""
        if not self.told:
            return self
        judged = tuple(each for each in self.judged if each.rule not in self.told)
        shadows = any(each.outcome and not each.enforced for each in judged)
        return self._replace(judged=judged, would=self.would if shadows else None)
