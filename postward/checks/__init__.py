"""Checks: one question a file. A check finds; configuration decides.

A check is a frozen dataclass. Its fields are its options in YAML (`with:`), with bounds and
descriptions as `Annotated[..., Field(...)]`; its class says which facts it needs, which reasons it
can give and which values its reasons offer to a rule's texts.
"""

from collections.abc import Coroutine, Mapping
from enum import Enum
from typing import Any, ClassVar, Protocol

from postward.finding import Finding
from postward.mail import Mail
from postward.tools import Tools

Looked = Finding | Coroutine[Any, Any, Finding]
"""What a look gives: the finding, where it is at hand, or a coroutine that will have it."""


class Cost(Enum):
    """What a look may cost; cheap looks are done first, and dear ones spared when mail is refused."""

    MEMORY = "memory"
    LOOKUP = "lookup"
    RECALL = "recall"
    LATE = "late"
    DELAY = "delay"
    STATE = "state"


class Check(Protocol):
    """One question about a mail."""

    name: ClassVar[str]
    """The word after `check:` in a rule."""
    cost: ClassVar[Cost]
    """LOOKUP: asks the network, and may read what was seen before. RECALL: reads what was seen before and
    books nothing. LATE: looks at what the look-ups have met. DELAY: notes the attempt and charges nothing
    (greylisting); STATE: books in the store. Both run at policyd only (one owner of the state)."""
    reasons: ClassVar[Mapping[str, str]]
    """Each reason that a Hit may carry, with a sentence for the docs page."""
    says: ClassVar[Mapping[str, str]]
    """Names that Hit.values offers to `reason:` and `remedy:`, each with a description."""

    @property
    def needs(self) -> frozenset[str]:
        """The facts that `look` reads with these options; a test holds it to them."""

    def look(self, mail: Mail, tools: Tools) -> Looked:
        """Answer the question: a plain function, or `async def` when it may have to wait.

        Never raises for what the mail or the network holds.
        """
