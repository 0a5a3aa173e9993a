"""Is what the client calls itself a name that a mail server could have? (RFC 5321 4.1.1.1)"""

import asyncio
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from postward import eager
from postward.address import MAX_DOMAIN, normal_domain
from postward.checks import Cost, Looked
from postward.finding import Clear, Finding, Hit, Unsure
from postward.mail import IPAddress, Mail
from postward.tools import Answer, Records, Tools, Trouble

_NEEDS = frozenset({"helo_name"})
_NEEDS_OF_LITERAL = frozenset({"helo_name", "client_address"})


@dataclass(frozen=True, slots=True)
class Helo:
    """Look for one fault of the HELO name; each fault is a rule of its own.

    A name has one form only: `missing`, `bare_ip`, `bad_ip`, `invalid`, `not_fqdn` exclude each other.
    """

    name: ClassVar[str] = "helo"
    cost: ClassVar[Cost] = Cost.LOOKUP
    reasons: ClassVar[Mapping[str, str]] = {
        "missing": "The client said no HELO.",
        "bare_ip": "An address without the brackets of a literal (RFC 5321 4.1.3).",
        "bad_ip": "An address literal, but not the client's own address.",
        "not_fqdn": "A name of a single label, such as `localhost`.",
        "invalid": "Neither a host name nor an address literal.",
        "ours": "One of the site's own domains or a host in them.",
        "unresolvable": "A proper name that has neither an address nor an MX record.",
    }
    says: ClassVar[Mapping[str, str]] = {}

    verdict: Annotated[
        Literal["missing", "bare_ip", "bad_ip", "not_fqdn", "invalid", "ours", "unresolvable"],
        Field(description="What this rule looks for."),
    ]

    @property
    def needs(self) -> frozenset[str]:
        return _NEEDS_OF_LITERAL if self.verdict == "bad_ip" else _NEEDS

    def look(self, mail: Mail, tools: Tools) -> Looked:
        helo = mail.helo_name
        form, name = _form(helo)
        if form == self.verdict:
            return Hit(form, helo[:_MAX_SHOWN])
        if self.verdict == "ours" and name and _is_ours(name, tools.own_domains):
            return Hit("ours", name)
        if self.verdict == "unresolvable" and form == "fqdn":
            return _resolves(name, tools)
        if self.verdict == "bad_ip" and form == "literal":
            return _of_literal(name, mail.client_address)
        return _CLEAR[form]


_CLEAR = {form: Clear(form) for form in ("missing", "bare_ip", "invalid", "literal", "not_fqdn", "fqdn")}
_MAX_SHOWN = 100


def _form(helo: str) -> tuple[str, str]:
    """What `helo` is, and its normal form where it has one.

    missing, bare_ip, invalid, literal, not_fqdn or fqdn.
    """
    return _short_form(helo) if len(helo) <= 2 * MAX_DOMAIN else ("invalid", "")


@lru_cache(maxsize=4096)
def _short_form(helo: str) -> tuple[str, str]:
    text = helo.strip(" \t")
    if not text:
        return "missing", ""
    if _address(text.removesuffix(".")) is not None:
        return "bare_ip", ""
    # RFC 6531 3.7.1: a name in HELO is ASCII, also where the mail is not.
    name = normal_domain(text) if text.isascii() else None
    if name is None:
        return "invalid", ""
    if name.startswith("["):
        return "literal", name
    if name.rpartition(".")[2].isdigit():
        return "invalid", ""  # RFC 3696 2: a top-level domain is never all digits
    return ("fqdn" if "." in name else "not_fqdn"), name


def _address(text: str) -> IPAddress | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _of_literal(literal: str, client: IPAddress | None) -> Finding:
    claimed = _address(literal[1:-1].removeprefix("IPv6:"))
    if client is None or claimed == client:
        return Clear(literal)
    return Hit("bad_ip", literal)


def _is_ours(name: str, own_domains: frozenset[str]) -> bool:
    """The name or a domain above it is one of ours."""
    while name:
        if name in own_domains:
            return True
        name = name.partition(".")[2]
    return False


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
    return Unsure(trouble) if trouble else Hit("unresolvable", name)
