"""Has mail of this sender's domain come in before?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from postward.checks import Cost, Looked
from postward.derive import identity
from postward.derive.responsible import FACTS, domain_of
from postward.derive.seen_key import key_of_domain
from postward.finding import Clear, Finding, Hit, Unsure
from postward.mail import Mail
from postward.state import Sighting, StoreDown
from postward.tools import Tools


@dataclass(frozen=True, slots=True)
class NewDomain:
    """Look the sender's organizational domain up among those whose mail was taken in before.

    For the null sender it is the domain of the HELO or PTR name. New means no more than that: most
    new domains are honest, so score or hold them together with something suspicious.
    """

    name: ClassVar[str] = "new_domain"
    cost: ClassVar[Cost] = Cost.RECALL
    reasons: ClassVar[Mapping[str, str]] = {
        "new": "No mail of the domain came in before, or only lately.",
        "known": "Mail of the domain came in before.",
    }
    says: ClassVar[Mapping[str, str]] = {"domain": "The organizational domain of the sender."}

    verdict: Annotated[Literal["new", "known"], Field(description="What this rule looks for.")] = "new"
    days: Annotated[
        int, Field(ge=0, le=3650, description="A domain is known from so many days after its first mail on.")
    ] = 0
    verified: Annotated[
        bool,
        Field(
            description="For `known`: only if the client may speak for the domain (by SPF, or because the "
            "client's own verified name is of it)."
        ),
    ] = False

    @property
    def needs(self) -> frozenset[str]:
        return FACTS | identity.FACTS["domain"] if self.verified else FACTS

    def look(self, mail: Mail, tools: Tools) -> Looked:
        domain = domain_of(mail)
        if not domain:
            return Clear("no domain")
        return self._recall(domain, mail, tools)

    async def _recall(self, domain: str, mail: Mail, tools: Tools) -> Finding:
        if self.verified and await identity.domain_of(mail, tools) != domain:
            return Clear(f"{domain}, not verified")
        found = await tools.once(key_of_domain(domain), lambda: _find(domain, tools))
        if isinstance(found, Unsure):
            return found
        since = tools.clock.wall() - self.days * 86_400
        verdict = "known" if found is not None and found.first <= since else "new"
        detail = domain if found is None else f"{domain}, {found.times} times"
        return Hit(verdict, detail, {"domain": domain}) if verdict == self.verdict else Clear(detail)


async def _find(domain: str, tools: Tools) -> Sighting | Unsure | None:
    try:
        return await tools.store.seen.find(key_of_domain(domain), now=tools.clock.wall())
    except StoreDown as error:
        return Unsure(f"store: {error}")
