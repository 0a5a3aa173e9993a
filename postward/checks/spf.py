"""Does the sender's domain let this client send for it? (RFC 7208)"""

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
class Spf:
    """Hit when the SPF result is one of `results`.

    The envelope sender's domain is asked, for bounces the HELO name. Where the DNS could not tell
    (`temperror`) the check is unsure, unless that result is asked for.
    """

    name: ClassVar[str] = "spf"
    cost: ClassVar[Cost] = Cost.LOOKUP
    by_domain: ClassVar[bool] = True
    reasons: ClassVar[Mapping[str, str]] = {
        "pass": "The domain lets this client send for it.",
        "fail": "The domain says that this client may not send for it.",
        "softfail": "The domain thinks that this client may not, but does not insist.",
        "neutral": "The domain makes no statement about this client.",
        "none": "The domain has no policy, or there is no usable domain.",
        "temperror": "The DNS could not tell.",
        "permerror": "The domain's policy cannot be read.",
    }
    says: ClassVar[Mapping[str, str]] = {
        "spf_result": "The result, such as `fail`.",
        "spf_domain": "The domain whose policy was asked.",
        "spf_explanation": "The domain owner's own explanation of a fail, often empty.",
    }

    results: Annotated[
        tuple[Literal["pass", "fail", "softfail", "neutral", "none", "temperror", "permerror"], ...],
        Field(description="The SPF results that this rule looks for (RFC 7208 2.6).", min_length=1),
    ] = ("fail",)

    @property
    def needs(self) -> frozenset[str]:
        return _NEEDS

    def look(self, mail: Mail, tools: Tools) -> Looked:
        known: SpfResult | None = tools.made("spf")  # several rules ask, one evaluates
        return self._finding(known) if known is not None else self._evaluate(mail, tools)

    async def _evaluate(self, mail: Mail, tools: Tools) -> Finding:
        return self._finding(await spf(mail, tools))

    def _finding(self, found: SpfResult) -> Finding:
        if found.result not in self.results:
            return Unsure(found.problem) if found.result == "temperror" else _CLEAR[found.result]
        values = {
            "spf_result": found.result,
            "spf_domain": found.value,
            "spf_explanation": found.explanation,
        }
        said = f"{found.result} {found.identity}={found.value} {found.problem}".rstrip()
        return Hit(found.result, said, values)


_CLEAR = {result: Clear(result) for result in RESULTS}
