"""What is known of one DNS list: where it is, what it is asked, and what its answers mean.

A private key is part of the zone that is asked and of nothing that is shown: `shown` and `hide` put
`***` in its place.
"""

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Literal

ABOUT = ("client", "helo", "rdns", "sender")
"""What a list can be asked about: the client's address, or the domain name of one of the others."""
HIDDEN = "***"
_OCTET = re.compile(r"(?:0|[1-9][0-9]{0,2})\Z")
_BITS = {f"bit {1 << place}": 1 << place for place in range(1, 8)}


@dataclass(frozen=True, slots=True)
class Pattern:
    """Answers alike: those that are `value` where `mask` has ones (32 bits each)."""

    text: str
    mask: int
    value: int

    def fits(self, answer: int) -> bool:
        """Whether `answer`, an IPv4 address as a number, is one of them."""
        return answer & self.mask == self.value


def pattern(text: str) -> Pattern:
    """`127.0.0.2`, `127.0.*.3`, or `bit 8` of the last octet (2 to 128). Raises ValueError."""
    if text in _BITS:
        return Pattern(text, 0xFF << 24 | _BITS[text], 127 << 24 | _BITS[text])
    octets = text.split(".")
    if len(octets) != 4 or not all(each == "*" or _is_octet(each) for each in octets):
        raise ValueError("write an address such as 127.0.0.2 or 127.0.*.2, or a bit such as: bit 8")
    if octets[0] != "127":
        raise ValueError("answers of a list lie in 127.0.0.0/8")
    mask = value = 0
    for octet in octets:
        mask = mask << 8 | (0 if octet == "*" else 255)
        value = value << 8 | (0 if octet == "*" else int(octet))
    return Pattern(text, mask, value)


def _is_octet(text: str) -> bool:
    return bool(_OCTET.match(text)) and int(text) <= 255


REFUSED = pattern("127.255.255.*")
"""How all large lists refuse a query."""


@dataclass(frozen=True, slots=True)
class Code:
    """One meaning that an answer can have. `score`: above zero speaks against the mail, below for it."""

    pattern: Pattern
    score: float
    means: str


@dataclass(frozen=True, slots=True)
class Definition:
    """One list that is switched on.

    `asked_zone` holds the key, if there is one. `names`: whether a domain list is asked for the
    organizational domain (`org`), the name as it is (`name`) or `both`. `refusals`: answers by which the
    list refuses a query, beside 127.255.255.0/24. `listed` and `clear`: addresses and names that the
    list must have and must not have (RFC 5782 5). `within`: seconds to answer.
    """

    name: str
    about: frozenset[str]
    codes: tuple[Code, ...]
    zone: str
    asked_zone: str = field(repr=False)
    key: str = field(default="", repr=False)
    names: Literal["org", "name", "both"] = "org"
    refusals: tuple[Pattern, ...] = ()
    listed: tuple[str, ...] = ()
    clear: tuple[str, ...] = ()
    within: float = 2.0
    ipv6: bool = True

    def hide(self, text: str) -> str:
        """`text` without the key, whatever the case of its letters."""
        return re.sub(re.escape(self.key), HIDDEN, text, flags=re.IGNORECASE) if self.key else text

    def shown(self, labels: str) -> str:
        """The name that is asked for `labels`, fit to be shown."""
        return f"{labels}.{self.zone}"

    def asked(self, labels: str) -> str:
        """The name to ask for. It may hold the key: it goes to the DNS and nowhere else."""
        return f"{labels}.{self.asked_zone}"


def points(about: frozenset[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What every list has and what none has, by RFC 5782 5: (listed, clear)."""
    domains = about != {"client"}
    listed = (*(("127.0.0.2",) if "client" in about else ()), *(("test",) if domains else ()))
    clear = (*(("127.0.0.1",) if "client" in about else ()), *(("invalid",) if domains else ()))
    return listed, clear


def number(answer: str) -> int | None:
    """An IPv4 address as a number; None for what is none."""
    try:
        return int(ipaddress.IPv4Address(answer))
    except ValueError:
        return None
