"""What judging a mail gives: findings, score, decision, and what shadow rules would have done."""

from dataclasses import dataclass

from postward.decision import Decision, Edit
from postward.finding import Finding
from postward.stage import Stage


@dataclass(frozen=True, slots=True)
class Judged:
    """One rule as it was judged.

    `outcome` is the word of the rule's `then:` (or `unsure:`) that followed, empty when nothing did;
    `score` what it added to the total (0.0 unless enforced); `mode` what the rule ran as:
    `enforce`, `shadow`, `canary` (this mail is in the canary's share) or `canary-out` (it is not);
    `took` seconds. A rule whose conditions did not hold, or that an earlier decision made needless,
    was not asked: its `finding` is None and `skipped` says why.
    """

    rule: str
    check: str
    finding: Finding | None
    outcome: str
    score: float
    mode: str
    took: float
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The answer of the rules at one stage of one message.

    `judged` holds the rules judged for this mail so far at this door, hits and misses; `would` the
    decision if shadow and canary rules had been enforced, `None` when it would be the same; `by` the
    rule or threshold that decided; `details` log text. Edits are due at end of message only.
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
