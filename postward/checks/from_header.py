"""Does the message say, once and clearly, who wrote it? (RFC 5322 3.6.2)"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from postward.checks import Cost
from postward.derive.author import Authors, authors
from postward.finding import Clear, Finding, Hit
from postward.mail import Mail
from postward.tools import Tools

_NEEDS = frozenset({"headers"})
_MAX_SHOWN = 5


@dataclass(frozen=True, slots=True)
class FromHeader:
    """Look for one fault of the From field; each fault is a rule of its own.

    What a mail reader shows and what was verified can be two different authors in such a message.
    Several authors of one domain are no fault.
    """

    name: ClassVar[str] = "from_header"
    cost: ClassVar[Cost] = Cost.MEMORY
    reasons: ClassVar[Mapping[str, str]] = {
        "none": "There is no From field, or no address in it.",
        "several": "There are several From fields, or authors of different domains.",
        "unparsable": "A From field that two programs can read in two ways.",
    }
    says: ClassVar[Mapping[str, str]] = {"problem": "What is wrong with it, in a few words."}

    verdict: Annotated[
        Literal["none", "several", "unparsable"], Field(description="What this rule looks for.")
    ]

    @property
    def needs(self) -> frozenset[str]:
        return _NEEDS

    async def look(self, mail: Mail, tools: Tools) -> Finding:
        found = await authors(mail, tools)
        problem = _problem(self.verdict, found)
        if not problem:
            return Clear(", ".join(found.domains[:_MAX_SHOWN]))
        return Hit(self.verdict, problem, {"problem": problem})


def _problem(verdict: str, found: Authors) -> str:
    """What is wrong in the way that `verdict` names, empty when nothing is."""
    match verdict:
        case "unparsable":
            return found.problem
        case "none":
            if found.fields == 0:
                return "no From field"
            return "" if found.addresses or found.problem else "no address in the From field"
        case _:
            if found.fields > 1:
                return f"{found.fields} From fields"
            if len(found.domains) > 1:
                return f"authors of {len(found.domains)} domains: {', '.join(found.domains[:_MAX_SHOWN])}"
            return ""
