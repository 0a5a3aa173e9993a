"""Does the SPF record let nearly everybody send for its domain? (RFC 7208)"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from postward.checks import Cost, Looked
from postward.derive.spf import RESULTS, SpfResult, spf
from postward.finding import Clear, Finding, Hit, Unsure
from postward.mail import Mail
from postward.tools import Tools

_NEEDS = frozenset({"client_address", "helo_name", "sender"})


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """Hit when the client passes SPF, and so does nearly everybody else.

    `wide` begins at one network of a /14 (IPv6: /32), or more addresses than a /11 (/30) in all
    networks of the policy; the largest senders allow a quarter of that. The pass is none that earns
    anything: the domain does not count as verified.
    """

    name: ClassVar[str] = "spf_record"
    cost: ClassVar[Cost] = Cost.LOOKUP
    by_domain: ClassVar[bool] = True
    reasons: ClassVar[Mapping[str, str]] = {
        "plus_all": "Every client passes: `+all`, `ip4:0.0.0.0/0`, `exists:` of a fixed name.",
        "wide": "Far more addresses pass than any one sender has.",
    }
    says: ClassVar[Mapping[str, str]] = {"spf_domain": "The domain whose policy was asked."}

    verdict: Annotated[Literal["plus_all", "wide"], Field(description="What this rule looks for.")]

    @property
    def needs(self) -> frozenset[str]:
        return _NEEDS

    def look(self, mail: Mail, tools: Tools) -> Looked:
        known: SpfResult | None = tools.made("spf")  # several rules ask, one evaluates
        return self._finding(known) if known is not None else self._evaluate(mail, tools)

    async def _evaluate(self, mail: Mail, tools: Tools) -> Finding:
        return self._finding(await spf(mail, tools))

    def _finding(self, found: SpfResult) -> Finding:
        if found.result == "temperror":
            return Unsure(found.problem)
        if found.breadth != self.verdict:
            return _CLEAR[found.result]
        return Hit(self.verdict, f"{found.identity}={found.value}", {"spf_domain": found.value})


_CLEAR = {result: Clear(result) for result in RESULTS}
