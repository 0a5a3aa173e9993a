"""DNS messages without I/O: a question to bytes, a reply to an `Answer` (RFC 1035 4).

A question is written here, so that a name is asked exactly as it stands, escapes and all; a reply
is taken apart by dnspython. Letters of the question have random case: a forger who does not see
the query has to guess them too (draft-vixie-dnsext-dns0x20).
"""

import os
from dataclasses import dataclass
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from postward.tools import Answer, NoData, NoName, Records, Trouble

A, NS, PTR, MX, TXT, AAAA = 1, 2, 12, 15, 16, 28
_CNAME, _SOA = 5, 6
MAX_NAME = 255  # octets on the wire, RFC 1035 2.3.4
MAX_PTR = 10  # names of one address, RFC 7208 4.6.4
MAX_UDP = 1232  # what fits every path unfragmented (DNS flag day 2020)
_MAX_CHAIN = 10
_NO_SOA_TTL = 5
"""RFC 2308 5: a denial without SOA should not be cached; this only stops a storm."""
# Root name, type OPT, payload size, no extended rcode, version 0, no options (RFC 6891 6.1.2).
_OPT = b"\0\0\x29" + MAX_UDP.to_bytes(2, "big") + b"\0\0\0\0\0\0"
_LABEL = frozenset(range(0x20, 0x7F))
_HOST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")


class BadReply(ValueError):
    """A reply that is no reply to the question, or cannot be read."""


@dataclass(frozen=True, slots=True)
class Alias:
    """A CNAME whose target the server did not follow: ask for `target` (wire form)."""

    target: bytes
    ttl: int


def encode_name(name: str) -> bytes | None:
    """The wire form of `name`, or `None` when no such name can be asked for.

    Each character stands for itself. NUL, control and 8-bit characters are refused: no host has
    them, and what they do in other programs is the attacker's hope (THREATS A3).
    """
    out = bytearray()
    for label in name.split("."):
        try:
            octets = label.encode("ascii")
        except UnicodeEncodeError:
            return None
        if not 0 < len(octets) <= 63 or not _LABEL.issuperset(octets):
            return None
        out.append(len(octets))
        out += octets
    out.append(0)
    return bytes(out) if len(out) <= MAX_NAME else None


def ask(name: bytes, kind: int) -> bytes:
    """A recursive query with a random id and letters of random case."""
    noise = os.urandom(2 + MAX_NAME // 8 + 1)
    bits = int.from_bytes(noise[2:], "big")
    mixed = bytes(
        octet ^ (bits >> place & 1) << 5 if 0x41 <= octet & 0xDF <= 0x5A else octet
        for place, octet in enumerate(name)
    )
    return (
        noise[:2]
        + b"\x01\x00\0\x01\0\0\0\0\0\x01"  # RD; one question, one additional record
        + mixed
        + kind.to_bytes(2, "big")
        + b"\0\x01"
        + _OPT
    )


def question_of(query: bytes) -> bytes:
    """Name, type and class of a query made by `ask`."""
    return query[12 : -len(_OPT)]


def replies_to(reply: bytes, query: bytes) -> bool:
    """Whether id, QR and question fit; the letters' case is not looked at."""
    asked = question_of(query)
    return (
        len(reply) >= 12 + len(asked)
        and reply[:2] == query[:2]
        and bool(reply[2] & 0x80)
        and reply[4:6] == b"\0\x01"
        and reply[12 : 12 + len(asked)].lower() == asked.lower()
    )


def same_case(reply: bytes, query: bytes) -> bool:
    """Whether the server gave the letters back as they were asked."""
    asked = question_of(query)
    return reply[12 : 12 + len(asked)] == asked


def is_truncated(reply: bytes) -> bool:
    """TC: there is more, to be had over TCP."""
    return bool(reply[2] & 0x02)


def read(reply: bytes, kind: int) -> Answer[Any] | Alias:
    """What a reply says about records of `kind`. Raises `BadReply`."""
    try:
        message = dns.message.from_wire(reply, ignore_trailing=True)
        return _answer(message, kind)
    except (dns.exception.DNSException, ValueError) as error:
        raise BadReply(f"not readable: {type(error).__name__}") from error


def _answer(message: dns.message.Message, kind: int) -> Answer[Any] | Alias:
    rcode = message.rcode()
    if rcode == dns.rcode.NXDOMAIN:
        return NoName(_negative_ttl(message))
    if rcode != dns.rcode.NOERROR:
        return Trouble(dns.rcode.to_text(rcode))
    found = {(rrset.name, int(rrset.rdtype)): rrset for rrset in message.answer if rrset.rdclass == 1}
    name, ttl = message.question[0].name, 2**31 - 1
    for _ in range(_MAX_CHAIN):
        rrset = found.get((name, kind))
        if rrset is not None:
            values = _values(rrset, kind)
            if not values:  # what such names do in other programs is the attacker's hope (THREATS D3)
                return Trouble("no name in it is a host name")
            return Records(values, min(ttl, rrset.ttl))
        alias = found.get((name, _CNAME))
        if alias is None:
            break
        name, ttl = alias[0].target, min(ttl, alias.ttl)
    else:
        return Trouble("CNAME chain too long")
    if name != message.question[0].name and _soa(message) is None:
        return Alias(name.to_wire() or b"\0", ttl)
    if _soa(message) is None and any(rrset.rdtype == NS for rrset in message.authority):
        return Trouble("a referral in place of an answer")  # RFC 2308 2.2
    return NoData(min(ttl, _negative_ttl(message)))


def _values(rrset: dns.rrset.RRset, kind: int) -> tuple[Any, ...]:
    """The values; without hosts that no host can be called: with NUL, 8-bit characters or markup."""
    match kind:
        case 1 | 28:
            return tuple(rdata.address for rdata in rrset)
        case 15:
            pairs = ((rdata.preference, _text(rdata.exchange)) for rdata in rrset)
            return tuple(sorted(pair for pair in pairs if _HOST.issuperset(pair[1])))
        case 16:
            return tuple(rdata.strings for rdata in rrset)
        case _:
            names = map(_text, (rdata.target for rdata in rrset))
            return tuple(name for name in names if _HOST.issuperset(name))[:MAX_PTR]


def _text(name: dns.name.Name) -> str:
    """Lower case, no final dot, octets that are no plain text as `\\DDD` (RFC 1035 5.1)."""
    return name.to_text(omit_final_dot=True).lower()


def _soa(message: dns.message.Message) -> dns.rrset.RRset | None:
    for rrset in message.authority:
        if rrset.rdtype == _SOA:
            return rrset
    return None


def _negative_ttl(message: dns.message.Message) -> int:
    """RFC 2308 5: the smaller of the SOA's own TTL and its MINIMUM field."""
    rrset = _soa(message)
    return min(rrset.ttl, rrset[0].minimum) if rrset is not None else _NO_SOA_TTL
