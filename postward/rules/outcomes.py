"""What may follow from a rule (`then:`, `unsure:`), and which door can spell it."""

from dataclasses import dataclass
from enum import IntEnum

from postward.stage import Door


class Weight(IntEnum):
    """Which of several outcomes wins; of equal ones the first rule in order."""

    NOTHING = 0
    QUARANTINE = 1
    DEFER = 2
    HOLD = 3
    DISCARD = 4
    REJECT = 5
    ACCEPT = 6


@dataclass(frozen=True, slots=True)
class Outcome:
    """A compiled outcome: its word, and what its options say."""

    word: str
    score: float = 0.0
    own: bool = False
    """The score is the finding's own."""
    code: int = 0
    enhanced: str = ""
    header: str = ""
    subject: str = ""

    @property
    def weight(self) -> Weight:
        return _WEIGHTS.get(self.word, Weight.NOTHING)


_WEIGHTS = {
    "accept": Weight.ACCEPT,
    "reject": Weight.REJECT,
    "discard": Weight.DISCARD,
    "hold": Weight.HOLD,
    "defer": Weight.DEFER,
    "quarantine": Weight.QUARANTINE,
}

WATCH = Outcome("watch")

DOCS: dict[str, str] = {
    "accept": "The mail passes and no further rule applies to it.",
    "reject": "Refuse for good: 550 5.7.1, or `{reject: {code: 554, enhanced: 5.7.1}}`.",
    "defer": "Refuse for now: 450 4.7.1, or `{defer: {code: 451, enhanced: 4.3.0}}`.",
    "hold": "Refuse with 450 until a person has approved the sender's domain (`postward holds`).",
    "quarantine": "Take the mail and put it on Postfix's hold queue.",
    "discard": "Say yes and throw the mail away.",
    "tag": 'Add a header field, or put a word before the subject: `{tag: {subject: "[SPAM]"}}`.',
    "score": "Add this to the total: `{score: 2.5}`; thresholds say what follows. `{score: own}` adds what "
    "the finding weighs by itself, where the check grades it.",
    "watch": "Nothing follows; the finding is logged.",
}

DEFAULT_REPLIES = {"reject": (550, "5.7.1"), "defer": (450, "4.7.1"), "hold": (450, "4.7.1")}

DOORS: dict[str, frozenset[Door]] = {word: frozenset(Door) for word in DOCS} | {
    "tag": frozenset({Door.MILTER}),
}
"""Edits are the milter's alone; the policy protocol cannot change a header that the message has."""
