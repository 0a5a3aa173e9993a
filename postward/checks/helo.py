"""Is what the client calls itself a name that a mail server could have? (RFC 5321 4.1.1.1)"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from postward import eager
from postward.checks import Cost, Looked
from postward.derive.greeting import Greeting, as_address, form_of, greeting
from postward.derive.iprev import Iprev, iprev
from postward.derive.orgdomain import org_domain
from postward.derive.provider_names import CLAIMABLE
from postward.finding import Clear, Finding, Hit, Unsure
from postward.mail import IPAddress, Mail
from postward.printable import printable
from postward.tools import Answer, Records, Tools, Trouble

_NEEDS = frozenset({"helo_name"})
_NEEDS_WITH_CLIENT = frozenset({"helo_name", "client_address"})
_ABOUT_THE_CLIENT = frozenset({"bad_ip", "literal", "claims_provider", "unrelated", "other_ip"})
_SCORES = {
    "missing": 2.0,
    "bare_ip": 3.0,
    "bad_ip": 4.5,
    "literal": 1.0,
    "not_fqdn": 2.0,
    "private_name": 1.0,
    "invalid": 3.0,
    "ours": 8.0,
    "claims_provider": 4.0,
    "unresolvable": 0.3,
    "other_ip": 0.2,
    "unrelated": 0.3,
}
"""What a fault weighs by itself, for `then: {score: own}`; see docs/defaults.md for where they come from."""
# Names of machines that nobody configured: those of images and of clouds inside.
_UNCONFIGURED = ("localhost", "localdomain", "novalocal", "openstacklocal", "internal", "invalid")
# Names that are good inside a house: somebody chose them, but nobody outside can look them up.
_INSIDE = ("local", "lan", "intranet", "private", "corp", "home", "workgroup", "home.arpa")
_UNCONFIGURED_SCORE = 2.0


@dataclass(frozen=True, slots=True)
class Helo:
    """Look for one fault of the HELO name; each fault is a rule of its own.

    A name has one form only: `missing`, `bare_ip`, `bad_ip`, `literal`, `invalid`, `not_fqdn` and
    `private_name` exclude each other. Each hit carries a weight of its own (`then: {score: own}`).
    """

    name: ClassVar[str] = "helo"
    cost: ClassVar[Cost] = Cost.LOOKUP
    reasons: ClassVar[Mapping[str, str]] = {
        "missing": "The client said no HELO.",
        "bare_ip": "An address without the brackets of a literal (RFC 5321 4.1.3).",
        "bad_ip": "An address literal, but not the client's own address.",
        "literal": "A literal of the client's own address: allowed, but servers have names.",
        "not_fqdn": "A name of a single label, such as `localhost`.",
        "private_name": "A name that only its own house can know, such as `pc.local`; one of a machine that "
        "nobody configured, such as `localhost.localdomain`, weighs twice as much.",
        "invalid": "Neither a host name nor an address literal.",
        "ours": "One of the site's own domains or a host in them.",
        "claims_provider": "A name of a large provider of mail, from a client that is none of its servers.",
        "unresolvable": "A proper name that has neither an address nor an MX record.",
        "other_ip": "A name that has addresses, but not the client's. Honest servers do that too.",
        "unrelated": "Neither leads to the client nor belongs to the owner of its verified name.",
    }
    says: ClassVar[Mapping[str, str]] = {}

    verdict: Annotated[
        Literal[
            "missing",
            "bare_ip",
            "bad_ip",
            "literal",
            "not_fqdn",
            "private_name",
            "invalid",
            "ours",
            "claims_provider",
            "unresolvable",
            "other_ip",
            "unrelated",
        ],
        Field(description="What this rule looks for."),
    ]

    @property
    def needs(self) -> frozenset[str]:
        return _NEEDS_WITH_CLIENT if self.verdict in _ABOUT_THE_CLIENT else _NEEDS

    def look(self, mail: Mail, tools: Tools) -> Looked:
        helo, verdict = mail.helo_name, self.verdict
        form, name = form_of(helo)
        if form == verdict and verdict != "literal":
            return _hit(verdict, helo)
        match verdict:
            case "ours" if name and _is_ours(name, tools.own_domains):
                return _hit("ours", name)
            case "bad_ip" | "literal" if form == "literal":
                return _of_literal(verdict, name, mail.client_address)
            case "private_name" if form == "fqdn":
                return _of_private(name)
            case "unresolvable" if form == "fqdn" and not _is_private(name):
                return _resolves(name, tools)
            case "claims_provider" if form == "fqdn":
                return _of_claim(name, mail, tools)
            case "other_ip" | "unrelated" if form == "fqdn" and not _is_private(name):
                return _of_relation(verdict, name, mail, tools)
        return _CLEAR[form]


_CLEAR = {form: Clear(form) for form in ("missing", "bare_ip", "invalid", "literal", "not_fqdn", "fqdn")}
_MAX_SHOWN = 100


def _hit(reason: str, detail: str, score: float = 0.0) -> Hit:
    return Hit(reason, printable(detail, _MAX_SHOWN), score=score or _SCORES[reason])


def _of_literal(verdict: str, literal: str, client: IPAddress | None) -> Finding:
    claimed = as_address(literal[1:-1].removeprefix("IPv6:"))
    is_own = client is None or claimed == client
    return (
        _hit(verdict, literal) if client is not None and is_own == (verdict == "literal") else Clear(literal)
    )


def _is_ours(name: str, own_domains: frozenset[str]) -> bool:
    """The name or a domain above it is one of ours."""
    while name:
        if name in own_domains:
            return True
        name = name.partition(".")[2]
    return False


def _ends(name: str, domains: tuple[str, ...]) -> bool:
    return any(name.endswith(f".{domain}") for domain in domains)


def _is_private(name: str) -> bool:
    return _ends(name, _UNCONFIGURED) or _ends(name, _INSIDE)


def _of_private(name: str) -> Finding:
    if _ends(name, _UNCONFIGURED):
        return _hit("private_name", name, _UNCONFIGURED_SCORE)
    return _hit("private_name", name) if _ends(name, _INSIDE) else _CLEAR["fqdn"]


def _of_claim(name: str, mail: Mail, tools: Tools) -> Looked:
    """Most names claim nothing: that is said without a look-up."""
    real = CLAIMABLE.get(org_domain(name))
    if real is None or mail.client_address is None:
        return _CLEAR["fqdn"]
    return _claims(name, real, mail, tools)


async def _claims(name: str, real: frozenset[str], mail: Mail, tools: Tools) -> Finding:
    reverse = await iprev(mail, tools)
    if reverse.kind == "temperror":
        return Unsure(printable(reverse.why, _MAX_SHOWN))
    theirs = reverse.name if reverse.kind == "pass" else ""
    if theirs and org_domain(theirs) in real:
        return Clear(theirs)
    greets = await greeting(mail, tools)
    if greets.kind == "temperror":
        return Unsure(printable(greets.why, _MAX_SHOWN))
    if greets.kind == "own":
        return Clear(f"{name} leads to it")
    return _hit("claims_provider", f"{name}, but it is {theirs or 'a client without a verified name'}")


def _of_relation(verdict: str, name: str, mail: Mail, tools: Tools) -> Looked:
    if mail.client_address is None:
        return _CLEAR["fqdn"]
    reverse: Iprev | None = tools.made("iprev")
    greets: Greeting | None = tools.made("greeting")
    if reverse is None or (greets is None and not _is_related(name, reverse)):
        return _look_up_relation(verdict, name, mail, tools)
    return _relation(verdict, name, reverse, greets)


async def _look_up_relation(verdict: str, name: str, mail: Mail, tools: Tools) -> Finding:
    reverse = await iprev(mail, tools)
    greets = None if _is_related(name, reverse) else await greeting(mail, tools)
    return _relation(verdict, name, reverse, greets)


def _is_related(name: str, reverse: Iprev) -> bool:
    """HELO and verified name are of one owner."""
    return reverse.kind == "pass" and (name == reverse.name or org_domain(name) == org_domain(reverse.name))


def _relation(verdict: str, name: str, reverse: Iprev, greets: Greeting | None) -> Finding:
    if greets is None or greets.kind == "own" or _is_related(name, reverse):
        return Clear(name)
    if greets.kind == "temperror":
        return Unsure(printable(greets.why, _MAX_SHOWN))
    if verdict == "other_ip":
        return _hit("other_ip", name) if greets.kind == "other" else Clear(name)
    if reverse.kind == "temperror":
        return Unsure(printable(reverse.why, _MAX_SHOWN))
    # Without a verified name there is nothing to be related to; rules for `rdns` say that.
    return _hit("unrelated", f"{name}, not {reverse.name}") if reverse.kind == "pass" else Clear(name)


async def _resolves(name: str, tools: Tools) -> Finding:
    """Whether the name has an A, AAAA or MX record; what is not known is asked at the same time."""
    dns, trouble = tools.dns, ""
    looks: list[eager.Ready[Answer[Any]] | asyncio.Task[Answer[Any]]] = []
    try:
        for question in (dns.a, dns.aaaa, dns.mx):
            look: eager.Ready[Answer[Any]] | asyncio.Task[Answer[Any]] = eager.start(question(name))
            if isinstance(look, eager.Ready) and isinstance(look.value, Records):
                return Clear(name)
            looks.append(look)
        for look in looks:
            answer = look.value if isinstance(look, eager.Ready) else await look
            if isinstance(answer, Records):
                return Clear(name)
            if isinstance(answer, Trouble):
                trouble = trouble or answer.why
    finally:
        for look in looks:
            if not isinstance(look, eager.Ready):
                look.cancel()
    return Unsure(trouble) if trouble else _hit("unresolvable", name)
