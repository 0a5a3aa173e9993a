"""How much a host name looks like one that a provider made up for each of its addresses.

A mail server has a name that somebody chose; a customer's line has its address in it. Names of
outbound pools of the large senders have their address in them too, and say `mail` or `out` beside it.
"""

import ipaddress
import re
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from postward.mail import IPAddress

_MAX_NAME = 255
_LINE_WORDS = frozenset(
    """adsl broadband bsb cable catv cpe customer cust dhcp dial dialin dialup dsl dyn dynamic dynip
    fiber ftth fttx gpon home hsd ipoe lte mobile pool pools ppp pppoe res residential sdsl umts user
    vdsl wifi wireless xdsl""".split()  # noqa: SIM905  # a table of words reads better as one
)
_STATIC_WORDS = frozenset(["static", "stat", "sta", "fixed", "ip", "host", "hosted", "rev", "reverse", "ptr"])
_MAIL_WORDS = frozenset(
    """bounce email esp imap mail mailer mailers mailgw mailhost mailout mails mda mta mtaout mx news
    newsletter oln out outbound outgoing outmail post relay relays send sender smtp smtpout""".split()  # noqa: SIM905  # a list of words reads best so
)
_WORD = re.compile(r"[a-z]+")
_NUMBER = re.compile(r"[0-9]+(?![0-9a-z])")  # not `1a2b`
_HEX = re.compile(r"(?<![0-9a-z])[0-9a-f]{8}(?![0-9a-z])")


class Grade(IntEnum):
    """How generic a name is."""

    NONE = 0
    WEAK = 1
    LIKELY = 2
    SURE = 3


@dataclass(frozen=True, slots=True)
class Generic:
    """A grade, and what in the name it rests on."""

    grade: Grade
    why: str = ""


@lru_cache(maxsize=4096)
def how_generic(name: str, client: IPAddress) -> Generic:
    """Grade the host name of `client`.

    SURE: its address and a word for a customer's line. LIKELY: its address. WEAK: half of it, or
    such a word alone, or both of them beside a word for mail.
    """
    host = _host_part(name[:_MAX_NAME].lower())
    words = set(_WORD.findall(host))
    shows = _address_in(host, client)
    line, mail = sorted(words & _LINE_WORDS), sorted(words & _MAIL_WORDS)
    if mail:
        return (
            Generic(Grade.WEAK, f"{shows}, {line[0]}, {mail[0]}") if shows and line else Generic(Grade.NONE)
        )
    if shows == WHOLE:
        return Generic(Grade.SURE, f"{shows}, {line[0]}") if line else Generic(Grade.LIKELY, shows)
    if shows and line:
        return Generic(Grade.LIKELY, f"{shows}, {line[0]}")
    static = sorted(words & _STATIC_WORDS)
    if shows and static:
        return Generic(Grade.LIKELY, f"{shows}, {static[0]}")
    if shows or line:
        return Generic(Grade.WEAK, shows or line[0])
    return Generic(Grade.WEAK, "static") if "static" in words else Generic(Grade.NONE)


WHOLE, HALF = "whole address", "half of the address"


def _host_part(name: str) -> str:
    """The name without its last two labels: the owner's own name says nothing about the host."""
    return name.rstrip(".").rsplit(".", 2)[0] if name.count(".") >= 2 else ""


def _address_in(host: str, client: IPAddress) -> str:
    """How much of the address the name shows: `WHOLE`, `HALF` or nothing."""
    if isinstance(client, ipaddress.IPv4Address):
        return _ipv4_in(host, client)
    return _ipv6_in(host, client)


def _ipv4_in(host: str, client: ipaddress.IPv4Address) -> str:
    octets = list(client.packed)
    numbers = _NUMBER.findall(host)
    if _in_one_number(numbers, octets) or _in_hex(host, client):
        return WHOLE
    values = [int(number) for number in numbers if len(number) <= 3]
    if _holds_all(values, octets):
        return WHOLE
    # Part of it counts only side by side, and only where the numbers are not small ones of any pool.
    for some, shows in ((octets[1:], WHOLE), (octets[:3], WHOLE), (octets[2:], HALF)):
        if max(some) > 31 and (_side_by_side(values, some) or _side_by_side(values, some[::-1])):
            return shows
    return ""


def _in_one_number(numbers: list[str], octets: list[int]) -> bool:
    """`040092073011`, `40927311` or `676088075`: the address as one run of digits, either way round."""
    ways = (octets, octets[::-1])
    forms = {"".join(f"{octet:03d}" for octet in way) for way in ways}
    forms |= {text for way in ways if len(text := "".join(map(str, way))) >= 7}
    forms |= {str(int.from_bytes(bytes(way), "big")) for way in ways if way[0]}
    return any(number in forms for number in numbers)


def _in_hex(host: str, client: ipaddress.IPv4Address) -> bool:
    """`c0a80105`, `c0-a8-01-05`, or with letters of the provider before it, either way round."""
    forms = (client.packed.hex(), client.packed[::-1].hex())
    squeezed = re.sub(r"(?<![0-9a-z])([0-9a-f]{2})[-.](?=[0-9a-f]{2}(?![0-9a-z]))", r"\1", host)
    if any(found in forms for found in _HEX.findall(squeezed)):
        return True
    # Glued to other letters it counts only when it could not be mistaken for a decimal number.
    return any(form in host and not form.isdigit() for form in forms)


def _holds_all(values: list[int], octets: list[int]) -> bool:
    """Every octet as a number of its own, in any order."""
    left = list(values)
    for octet in octets:
        if octet not in left:
            return False
        left.remove(octet)
    return True


def _side_by_side(values: list[int], some: list[int]) -> bool:
    return any(values[place : place + len(some)] == some for place in range(len(values) - len(some) + 1))


def _ipv6_in(host: str, client: ipaddress.IPv6Address) -> str:
    """The whole address, or its last 64 bits, as hexadecimal digits either way round."""
    digits = client.exploded.replace(":", "")
    squeezed = host.replace("-", "").replace(".", "")
    if digits in squeezed or digits[::-1] in squeezed or _as_label(host, client):
        return WHOLE
    low = digits[16:]
    shown = low.lstrip("0")
    if len(shown) >= 8 and (low in squeezed or shown in squeezed or low[::-1] in squeezed):
        return WHOLE
    return ""


def _as_label(host: str, client: ipaddress.IPv6Address) -> bool:
    """`2001-db8--1`: a label that is the address with other separators."""
    for label in host.split("."):
        for text in (label, label.lstrip("ghijklmnopqrstuvwxyz-"), label.partition("-")[2]):
            try:
                if ipaddress.IPv6Address(text.replace("-", ":")) == client:
                    return True
            except ValueError:
                continue
    return False
