"""Could an answer reach the sender's domain? (RFC 5321 5.1, RFC 7505)

Whoever gives a domain that takes no mail does not want its bounces. In the usual case this costs
two look-ups, the MX and the address of the best exchange; only where that one is no good all others
are asked too, at the same time.
"""

import asyncio
import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from postward import eager
from postward.address import Address
from postward.mail import Mail
from postward.network import may_be_public
from postward.printable import printable
from postward.tools import Answer, Dns, NoName, Records, Tools, Trouble

MAX_EXCHANGES = 10  # looked at; RFC 7208 4.6.4 bounds those of an SPF record alike
_MAX_WHY = 120


@dataclass(frozen=True, slots=True)
class SenderDomain:
    """What the sender's domain is.

    `ok`: there is a host that takes its mail. `null`: a bounce, there is no domain. `invalid`: what
    stands behind the `@` is no domain name, or there is none. `literal`: an address in brackets.
    `no_dot`: a single label. `no_name`: NXDOMAIN. `no_host`: it exists, and has no MX, A or AAAA.
    `null_mx`: it says that it takes no mail (RFC 7505). The exchanges, or the addresses where there
    is no MX, are all of no use: `mx_missing` do not exist, `mx_literal` are addresses in place of
    names, `mx_nowhere` have only addresses of no public host. `temperror`: the DNS could not tell.
    `why` is printable, for the log.
    """

    kind: Literal[
        "ok", "null", "invalid", "literal", "no_dot", "no_name", "no_host", "null_mx",
        "mx_missing", "mx_literal", "mx_nowhere", "temperror",
    ]  # fmt: skip
    domain: str = ""
    why: str = ""


async def sender_domain(mail: Mail, tools: Tools) -> SenderDomain:
    """What the sender's domain is, looked up once a message. Reads sender."""
    return await tools.once_for_domain("sender_domain", lambda: _sender_domain(mail.sender, tools.dns))


async def _sender_domain(sender: Address, dns: Dns) -> SenderDomain:
    domain = sender.domain
    if sender.is_null:
        return _NULL
    if domain is None:
        return SenderDomain("invalid", why=printable(sender.problem, _MAX_WHY))
    if sender.has_literal:
        return SenderDomain("literal", domain)
    last = domain.rpartition(".")[2]
    if last == domain:
        return SenderDomain("no_dot", domain)
    if last.isdigit():  # RFC 3696 2: a top-level domain is never all digits
        return SenderDomain("invalid", domain, "an address without brackets")
    return await _of_domain(domain, dns)


_NULL = SenderDomain("null")


async def _of_domain(domain: str, dns: Dns) -> SenderDomain:
    answer = await dns.mx(domain)
    if isinstance(answer, Trouble):
        return SenderDomain("temperror", domain, f"MX: {answer.why}")
    if isinstance(answer, NoName):
        return SenderDomain("no_name", domain)
    if not isinstance(answer, Records):  # RFC 5321 5.1: the domain is its own exchange
        return await _without_mx(domain, dns)
    exchanges = tuple(dict.fromkeys(name for _, name in answer.values))
    if exchanges in (("",), (".",)):
        return SenderDomain("null_mx", domain)
    return await _with_mx(domain, exchanges[:MAX_EXCHANGES], dns)


async def _without_mx(domain: str, dns: Dns) -> SenderDomain:
    found = await _exchange(domain, dns)
    match found:
        case None:
            return SenderDomain("ok", domain)
        case ("mx_missing", _):
            return SenderDomain("no_host", domain)
        case (kind, why):
            return SenderDomain(kind, domain, why)


async def _with_mx(domain: str, exchanges: tuple[str, ...], dns: Dns) -> SenderDomain:
    first = await _exchange(exchanges[0], dns)
    if first is None:
        return SenderDomain("ok", domain)
    others = [eager.start(_exchange(name, dns)) for name in exchanges[1:]]
    faults = [first]
    try:
        for other in others:
            fault = other.value if isinstance(other, eager.Ready) else await other
            if fault is None:
                return SenderDomain("ok", domain)
            faults.append(fault)
    finally:
        _give_up(others)
    for kind, why in faults:
        if kind == "temperror":
            return SenderDomain("temperror", domain, why)
    return SenderDomain(first[0], domain, first[1])


_Fault = tuple[Literal["mx_missing", "mx_literal", "mx_nowhere", "temperror"], str]
"""Why an exchange is of no use, and its name with what was found."""


async def _exchange(name: str, dns: Dns) -> _Fault | None:
    """What is wrong with a host that is to take mail; `None`: it has an address. IPv4 is asked first."""
    shown = printable(name, _MAX_WHY)
    if name.rpartition(".")[2].isdigit() or ":" in name:
        return "mx_literal", shown
    found: list[Answer[str]] = []
    for question in (dns.a, dns.aaaa):
        answer = await question(name)
        if isinstance(answer, Records) and any(map(_reachable, answer.values)):
            return None
        found.append(answer)
        if isinstance(answer, NoName):  # RFC 8020: of no type
            break
    for answer in found:
        if isinstance(answer, Trouble):
            return "temperror", f"{shown}: {answer.why}"
    for answer in found:
        if isinstance(answer, Records):
            return "mx_nowhere", f"{shown}: {answer.values[0]}"
    return "mx_missing", shown


def _give_up(looks: list[eager.Ready[Any] | asyncio.Task[Any]]) -> None:
    for look in looks:
        if not isinstance(look, eager.Ready):
            look.cancel()


@lru_cache(maxsize=4096)
def _reachable(text: str) -> bool:
    """Whether a host of the Internet can have the address; nothing is gained by refusing examples."""
    return may_be_public(ipaddress.ip_address(text))
