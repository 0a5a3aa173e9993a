"""Has a person decided about this sender or client?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from postward.checks import Cost
from postward.derive.persons_word import NEEDS, persons_word
from postward.finding import CLEAR, Finding, Hit, Unsure
from postward.mail import Mail
from postward.tools import Tools


@dataclass(frozen=True, slots=True)
class Decided:
    """Hit when a person's remembered word (`postward holds words`) is about this mail and says so.

    It may be about the sender's address, the client, the sender's organizational domain or the
    client's /24 or /64. Any denial goes before all approvals. An approved address or domain counts only
    if the client may speak for the domain (by SPF, or its own verified name), or is in the network of
    one that it was said about. A bounce has the domain of the client's verified name.
    """

    name: ClassVar[str] = "decided"
    cost: ClassVar[Cost] = Cost.RECALL
    reasons: ClassVar[Mapping[str, str]] = {
        "approved": "A person approved it.",
        "denied": "A person denied it.",
    }
    says: ClassVar[Mapping[str, str]] = {
        "kind": "What the word is about: domain, address, network or client.",
        "value": "The domain, address or network itself.",
    }

    verdict: Annotated[Literal["approved", "denied"], Field(description="What this rule looks for.")]

    @property
    def needs(self) -> frozenset[str]:
        return NEEDS

    async def look(self, mail: Mail, tools: Tools) -> Finding:
        found = await persons_word(mail, tools)
        if found is None:
            return CLEAR
        if isinstance(found, Unsure):
            return found
        detail = f"{found.kind} {found.value} by {found.by}"
        if found.verdict != self.verdict:
            return CLEAR
        return Hit(found.verdict, detail, {"kind": found.kind, "value": found.value})
