"""Does the client have a name in the reverse DNS, and what does it say?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from postward.checks import Cost, Looked
from postward.derive.generic_name import Grade, how_generic
from postward.derive.iprev import Iprev, iprev
from postward.finding import Clear, Finding, Hit, Unsure
from postward.mail import Mail
from postward.tools import Tools

_NEEDS = frozenset({"client_address"})
_NEEDS_OF_GENERIC = frozenset({"client_address", "helo_name"})
_GRADES = {"weak": Grade.WEAK, "likely": Grade.LIKELY, "sure": Grade.SURE}


@dataclass(frozen=True, slots=True)
class ReverseDns:
    """Look up the client's PTR records and resolve their names back (RFC 8601 3).

    Own look-ups, because Postfix writes `unknown` both for a client without a name and for a DNS
    that did not answer. Much honest mail without a name had one at other times: score, do not refuse.
    """

    name: ClassVar[str] = "rdns"
    cost: ClassVar[Cost] = Cost.LOOKUP
    reasons: ClassVar[Mapping[str, str]] = {
        "missing": "The client's address has no PTR record.",
        "mismatch": "There is a PTR record, but no name of it resolves back to the address.",
        "generic": "The name shows the address, or says that it belongs to a customer's line.",
        "trouble": "The DNS did not answer; nothing is known.",
    }
    says: ClassVar[Mapping[str, str]] = {
        "ptr_name": "The name in the PTR record, `unknown` if there is none."
    }

    verdict: Annotated[
        Literal["missing", "mismatch", "generic", "trouble"], Field(description="What this rule looks for.")
    ]
    at_least: Annotated[
        Literal["weak", "likely", "sure"],
        Field(
            description="For `generic`: `weak` is half of the address or a word such as `dsl`, `likely` "
            "the address, `sure` both. A verified name that the client also gives in HELO is never generic."
        ),
    ] = "likely"

    @property
    def needs(self) -> frozenset[str]:
        return _NEEDS_OF_GENERIC if self.verdict == "generic" else _NEEDS

    def look(self, mail: Mail, tools: Tools) -> Looked:
        known: Iprev | None = tools.made("iprev")  # four rules ask, one looks up
        return self._finding(mail, known) if known is not None else self._look_up(mail, tools)

    async def _look_up(self, mail: Mail, tools: Tools) -> Finding:
        return self._finding(mail, await iprev(mail, tools))

    def _finding(self, mail: Mail, found: Iprev) -> Finding:
        if found.kind == "temperror":
            return _hit("trouble", found, found.why) if self.verdict == "trouble" else Unsure(found.why)
        if self.verdict == "generic":
            return self._generic(mail, found)
        return _hit(self.verdict, found) if found.kind == self.verdict else Clear(found.name)

    def _generic(self, mail: Mail, found: Iprev) -> Finding:
        client = mail.client_address
        if client is None or not found.name:
            return Clear(found.kind)
        if found.kind == "pass" and mail.helo_name.removesuffix(".").lower() == found.name:
            return Clear(f"{found.name} is its HELO name")
        generic = how_generic(found.name, client)
        if generic.grade < _GRADES[self.at_least]:
            return Clear(found.name)
        return _hit("generic", found, f"{generic.grade.name.lower()}: {generic.why}")


def _hit(reason: str, found: Iprev, why: str = "") -> Hit:
    detail = " ".join(part for part in (found.name, why) if part)
    return Hit(reason, detail, {"ptr_name": found.name or "unknown"})
