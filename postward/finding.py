"""What a check found. "Could not tell" is a value of its own: it is never fine and never guilty."""

from collections.abc import Mapping
from dataclasses import dataclass, field

_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Clear:
    """The check looked and there is nothing to say against the mail."""

    detail: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """The check found what it looks for.

    `reason` is one of the check's declared reasons (a constant such as `missing`); `detail` is
    for the log only; `values` are the names that a rule's `reason:` and `remedy:` may use. `score` is
    what a graded finding weighs by itself; a rule takes it with `then: {score: own}`.
    """

    reason: str
    detail: str = ""
    values: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Unsure:
    """The check could not tell, and `why`: trouble in the DNS, a deadline, a store that is down."""

    why: str


CLEAR = Clear()
"""The usual answer: the look found nothing and has nothing to add."""

Finding = Clear | Hit | Unsure
