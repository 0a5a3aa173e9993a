"""DNS messages without I/O: a question to bytes, a reply to an `Answer` (RFC 1035 4).

A question is written here, so that a name is asked exactly as it stands, escapes and all. Letters of
the question have random case: a forger who does not see the query has to guess them too
(draft-vixie-dnsext-dns0x20). A reply is read within bounds (`postward.dns.reader`): of A, AAAA, MX and
NS records 64 at most, more is `Trouble`; no honest name of a mail server has as many.
"""

import os
from dataclasses import dataclass, replace
from socket import AF_INET, AF_INET6, inet_ntop
from typing import Any

from postward.dns.reader import MAX_NAME, BadReply, Reader, Record, host
from postward.tools import Answer, NoData, NoName, Records, Trouble

A, NS, PTR, MX, TXT, AAAA = 1, 2, 12, 15, 16, 28
MAX_HOSTS = 10  # names of one address, RFC 7208 4.6.4; and name servers
MAX_UDP = 1232  # what fits every path unfragmented (DNS flag day 2020)
MAX_REPLY = 4_096
"""Octets of a reply; 64 AAAA records or 32 names of 100 octets."""
MAX_TEXT = 16_384
"""Octets of a reply with TXT records. No sender policy and no key is this long (THREATS A16, A18)."""
_CNAME, _SOA, _OPT_KIND, _IN = 5, 6, 41, 1
_NOERROR, _NXDOMAIN = 0, 3
_RCODES = {1: "FORMERR", 2: "SERVFAIL", 4: "NOTIMP", 5: "REFUSED"}
_MOST = {A: 64, AAAA: 64, MX: 64, NS: 64, PTR: 32, TXT: 256}
"""Records of an answer, aliases among them."""
_MOST_BEHIND = 32
_MAX_CHAIN = 10
_FOREVER = 2**31 - 1
_NO_SOA_TTL = 5
"""RFC 2308 5: a denial without SOA should not be cached; this only stops a storm."""
# Root name, type OPT, payload size, no extended rcode, version 0, no options (RFC 6891 6.1.2).
_OPT = b"\0\0\x29" + MAX_UDP.to_bytes(2, "big") + b"\0\0\0\0\0\0"
_LABEL = frozenset(range(0x20, 0x7F))


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


def limit(kind: int) -> int:
    """Octets of a reply that are looked at."""
    return MAX_TEXT if kind == TXT else MAX_REPLY


def read(reply: bytes, kind: int) -> Answer[Any] | Alias:
    """What a reply says about records of `kind`. Raises `BadReply`.

    Names of an address are an exception to "all or nothing": of a reply with too many, or of one cut
    off, the first ones count, so that nobody gains doubt by a thousand of them (THREATS D3).
    """
    message = Reader(reply)
    if message.rcode not in (_NOERROR, _NXDOMAIN):
        return Trouble(_RCODES.get(message.rcode, f"RCODE {message.rcode}"))
    asked, at = message.question()
    answers = message.counts[1]
    if message.rcode == _NXDOMAIN:
        at = _skip(message, at, answers)
        return NoName(_denial(message, at).ttl)
    if answers > _MOST[kind] and kind != PTR:
        return Trouble(f"{answers} records")
    found, at = _found(message, at, answers, kind)
    name, ttl = asked, _FOREVER
    for _ in range(_MAX_CHAIN):
        records = found.get((name, kind))
        if records is not None:
            return _records(message, records, kind, ttl)
        alias = found.get((name, _CNAME))
        if alias is None:
            break
        name, ttl = message.sole_name(alias[0]), min(ttl, alias[0].ttl)
    else:
        return Trouble("CNAME chain too long")
    if at < 0:  # what was asked for may be among what was not looked at
        return Trouble(f"{answers} records")
    return _without(_denial(message, at), name != asked, name, ttl)


def _found(
    message: Reader, at: int, answers: int, kind: int
) -> tuple[dict[tuple[bytes, int], list[Record]], int]:
    """The answers by owner and type, and where they end: -1 if they were not all looked at."""
    found: dict[tuple[bytes, int], list[Record]] = {}
    most = min(answers, _MOST[kind])
    try:
        for record, end in message.records(at, most):
            at = end
            if record.of == _IN:
                found.setdefault((record.owner, record.kind), []).append(record)
    except BadReply:
        if kind != PTR or not found:
            raise
        return found, -1
    return found, at if most == answers else -1


def _records(message: Reader, records: list[Record], kind: int, ttl: int) -> Answer[Any]:
    values = _values(message, records, kind)
    if not values:
        return Trouble("no name in it is a host name")
    return Records(values, min(ttl, *(each.ttl for each in records)))


def _values(message: Reader, records: list[Record], kind: int) -> tuple[Any, ...]:
    """The values, each once; without names that no host can have."""
    match kind:
        case 1:
            values = [inet_ntop(AF_INET, message.octets(each, 4)) for each in records]
        case 28:
            values = [inet_ntop(AF_INET6, message.octets(each, 16)) for each in records]
        case 15:
            pairs = [(message.preference(each), host(message.sole_name(each, 2))) for each in records]
            return tuple(sorted({(preference, name) for preference, name in pairs if name is not None}))
        case 16:
            return tuple(dict.fromkeys(message.strings(each) for each in records))
        case _:
            return _hosts(message, records, kind)
    return tuple(dict.fromkeys(values))


def _hosts(message: Reader, records: list[Record], kind: int) -> tuple[str, ...]:
    """The first names that hosts can have."""
    names: dict[str, None] = {}
    try:
        for each in records:
            name = host(message.sole_name(each))
            if name is not None:
                names[name] = None
            if len(names) == MAX_HOSTS:
                break
    except BadReply:
        if kind != PTR or not names:
            raise
    return tuple(names)


@dataclass(frozen=True, slots=True)
class _Denial:
    """What stands behind the answers. `ttl`: seconds for which a denial holds (RFC 2308 5)."""

    ttl: int = _NO_SOA_TTL
    soa: bool = False
    referral: bool = False
    rcode: int = 0
    """The upper bits, which only the OPT record has (RFC 6891 6.1.3)."""


def _denial(message: Reader, at: int) -> _Denial:
    """Read the first records behind the answers, which end at `at`."""
    denial = _Denial()
    most = min(message.counts[2] + message.counts[3], _MOST_BEHIND)
    for number, (record, _) in enumerate(message.records(at, most)):
        if number >= message.counts[2]:
            if record.kind == _OPT_KIND:
                return replace(denial, rcode=record.ttl >> 24)
        elif record.of == _IN and record.kind == _SOA and not denial.soa:
            # RFC 2308 5: the smaller of the SOA's own TTL and its MINIMUM field.
            denial = replace(denial, soa=True, ttl=min(record.ttl, message.soa_minimum(record)))
        elif record.kind == NS:
            denial = replace(denial, referral=True)
    return denial


def _skip(message: Reader, at: int, answers: int) -> int:
    """Where the answers of a denial end: aliases that led to the name that does not exist."""
    if answers > _MAX_CHAIN:
        raise BadReply(f"a denial with {answers} records")
    for _, end in message.records(at, answers):
        at = end
    return at


def _without(denial: _Denial, aliased: bool, name: bytes, ttl: int) -> Answer[Any] | Alias:
    """There is no record of the kind: the name has none, or somebody else must be asked."""
    if denial.rcode:
        return Trouble(f"RCODE {denial.rcode << 4}")
    if aliased and not denial.soa:
        return Alias(name, ttl)
    if denial.referral and not denial.soa:
        return Trouble("a referral in place of an answer")  # RFC 2308 2.2
    return NoData(min(ttl, denial.ttl))
