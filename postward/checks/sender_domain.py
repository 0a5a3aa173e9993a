"""Is the sender's domain one that an answer could reach? (RFC 5321 5.1, RFC 7505)"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from postward.address import Address
from postward.checks import Cost, Looked
from postward.derive.sender_domain import SenderDomain as Derived
from postward.derive.sender_domain import sender_domain
from postward.derive.spf import spf
from postward.finding import CLEAR, Clear, Finding, Hit, Unsure
from postward.mail import Mail
from postward.tools import Tools

_NEEDS = frozenset({"sender"})
_NEEDS_OF_OURS = frozenset({"sender", "client_address", "helo_name"})
# What each kind of domain is called here, and what it weighs if a rule says `then: {score: own}`.
_GRADES: Mapping[str, tuple[str, float]] = {
    "invalid": ("invalid", 4.0),
    "literal": ("literal", 3.0),
    "no_dot": ("no_dot", 4.0),
    "no_name": ("unknown", 4.0),
    "no_host": ("unknown", 3.0),
    "null_mx": ("null_mx", 4.0),
    "mx_missing": ("bad_mx", 3.0),
    "mx_literal": ("bad_mx", 2.0),
    "mx_nowhere": ("bad_mx", 4.0),
}
_DETAILS: Mapping[str, str] = {
    "no_name": "no such domain",
    "no_host": "no MX, A or AAAA",
    "mx_missing": "no address for",
    "mx_literal": "an address in place of a name:",
    "mx_nowhere": "no public address:",
}
_OURS = 4.0


@dataclass(frozen=True, slots=True)
class SenderDomain:
    """Look for one fault of the envelope sender's domain; each fault is a rule of its own.

    Bounces have no sender, and pass. Hits are graded: `then: {score: own}` takes 2 to 4. `ours` asks
    for SPF before it hits, so that a service that sends for us by our own record passes; give its
    rule `unless: [authenticated, local_client]`.
    """

    name: ClassVar[str] = "sender_domain"
    cost: ClassVar[Cost] = Cost.LOOKUP
    by_domain: ClassVar[bool] = True
    reasons: ClassVar[Mapping[str, str]] = {
        "invalid": "What stands behind the `@` cannot be a domain, or there is none.",
        "literal": "An address literal such as `[192.0.2.1]`.",
        "no_dot": "A name of a single label, such as `localhost`.",
        "unknown": "The domain does not exist, or has neither MX nor A nor AAAA record.",
        "null_mx": "The domain says that it takes no mail (RFC 7505), so that it cannot send any either.",
        "bad_mx": "No exchange of the domain exists and has a public address.",
        "ours": "One of the site's own domains or a host in them, and SPF does not vouch for the client.",
    }
    says: ClassVar[Mapping[str, str]] = {}

    verdict: Annotated[
        Literal["invalid", "literal", "no_dot", "unknown", "null_mx", "bad_mx", "ours"],
        Field(description="What this rule looks for."),
    ]

    @property
    def needs(self) -> frozenset[str]:
        return _NEEDS_OF_OURS if self.verdict == "ours" else _NEEDS

    def look(self, mail: Mail, tools: Tools) -> Looked:
        if self.verdict == "ours":
            ours = _is_ours(mail.sender, tools.own_domains)
            return _without_spf(mail, tools) if ours else CLEAR
        known: Derived | None = tools.made("sender_domain")  # six rules ask, one looks up
        return self._finding(known) if known is not None else self._look_up(mail, tools)

    async def _look_up(self, mail: Mail, tools: Tools) -> Finding:
        return self._finding(await sender_domain(mail, tools))

    def _finding(self, found: Derived) -> Finding:
        kind = found.kind
        if kind in ("ok", "null"):
            return CLEAR
        if kind == "temperror":
            # What needs no DNS to be seen is not there.
            return Unsure(found.why) if self.verdict in _BY_DNS else CLEAR
        reason, score = _GRADES[kind]
        if reason != self.verdict:
            return CLEAR
        words = (found.domain, _DETAILS.get(kind, ""), found.why)
        return Hit(reason, " ".join(word for word in words if word), score=score)


_BY_DNS = frozenset({"unknown", "null_mx", "bad_mx"})


def _is_ours(sender: Address, own_domains: frozenset[str]) -> bool:
    """The sender's domain or one above it is one of ours."""
    name = sender.domain or ""
    while name:
        if name in own_domains:
            return True
        name = name.partition(".")[2]
    return False


async def _without_spf(mail: Mail, tools: Tools) -> Finding:
    """The domain is ours: a forgery, unless our own policy names the client."""
    found = await spf(mail, tools)
    if found.result == "temperror":
        return Unsure(found.problem)
    if found.trustworthy:
        return Clear(f"SPF pass of {found.value}")
    return Hit("ours", f"{mail.sender.domain} spf={found.result}", score=_OURS)
