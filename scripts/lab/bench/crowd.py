"""Who knocks in the mixed traffic: 2,000 clients of several kinds, and what the DNS says of them.

Made up, but the same each time. The shares are those of a small site: most are in order, some are
people whom our users write to, some look odd, a few are known for abuse. Clients of a kind have
networks of their own, so that the record of one kind does not become that of another.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

from lab.dns import host, ptr

Becomes = Literal["passes", "waits", "refused", "either"]
PER_NETWORK = 4  # clients in each /24


@dataclass(frozen=True)
class Kind:
    """`clients` of them; a multiple of PER_NETWORK. What becomes of their mail once they are known."""

    name: str
    clients: int
    becomes: Becomes


CLEAN = Kind("clean", 1200, "passes")
CORRESPONDENT = Kind("correspondent", 152, "passes")
ODD_CORRESPONDENT = Kind("odd correspondent", 148, "passes")
"""No reverse name, but our users write to them."""
DIAL_UP = Kind("dial-up", 48, "passes")
"""A generic name; has shown that it tries again, and its domain is known."""
STRANGER = Kind("stranger", 100, "waits")
"""Its reverse name leads elsewhere; another sender each time."""
NEWCOMER = Kind("newcomer", 100, "waits")
"""No reverse name, a HELO that is none; has tried again, but nobody knows the domain: held."""
LIAR = Kind("liar", 52, "refused")
"""Greets with our name, and SPF disowns it; half of its recipients are traps."""
LISTED = Kind("listed", 52, "refused")
"""On several DNS lists."""
DOUBTED = Kind("doubted", 48, "either")
"""On one list, for little: its record decides with time."""
USER = Kind("user", 100, "passes")
"""Has logged in; writes to the clean ones."""
KINDS = (CLEAN, CORRESPONDENT, ODD_CORRESPONDENT, DIAL_UP, STRANGER, NEWCOMER, LIAR, LISTED, DOUBTED, USER)

_NO_REVERSE = (ODD_CORRESPONDENT, NEWCOMER, LIAR)
_NAMELESS_PROVIDER = "provider.example"


@dataclass(frozen=True)
class Visitor:
    """One client. `name`: its reverse name, empty for none; `verified` as Postfix says it."""

    kind: Kind
    number: int
    address: str

    @property
    def domain(self) -> str:
        """The sender's domain."""
        return f"c{self.number}.example"

    @property
    def name(self) -> str:
        if self.kind in _NO_REVERSE:
            return ""
        if self.kind in (DIAL_UP, USER):
            return f"dsl-{self.address.replace('.', '-')}.pool.{_NAMELESS_PROVIDER}"
        return f"mail.{self.domain}"

    @property
    def verified(self) -> str:
        return self.name if self.name and self.kind is not STRANGER else "unknown"

    @property
    def helo(self) -> str:
        if self.kind is NEWCOMER:
            return f"ws{self.number}"
        if self.kind is LIAR:
            return "mail.own.example"
        return f"[{self.address}]" if self.kind is USER else f"mail.{self.domain}"


@cache
def visitors() -> tuple[Visitor, ...]:
    """All of them, kind after kind."""
    kinds = [kind for kind in KINDS for _ in range(kind.clients)]
    return tuple(Visitor(kind, number, _address(number)) for number, kind in enumerate(kinds))


def _address(number: int) -> str:
    """In 198.18.0.0/15 (RFC 2544, for benchmarks)."""
    network, member = divmod(number, PER_NETWORK)
    return f"198.{18 + network // 250}.{network % 250}.{20 + member}"


def zone() -> str:
    """Master-file text with absolute names, for `lab.dns.Dns`: the clients, and eight DNS lists."""
    return "".join([line for visitor in visitors() for line in _records(visitor)] + [*_test_points()])


def _records(visitor: Visitor) -> Iterator[str]:
    domain, address = visitor.domain, visitor.address
    network = address.rpartition(".")[0]
    exchange = f"mail.{domain}"
    if visitor.kind is STRANGER:
        yield ptr(address, f"mail.{domain}")
        yield f"mail.{domain}. A 203.0.113.9\n"
    elif visitor.name:
        yield host(visitor.name, address)
    if visitor.name != exchange and visitor.kind is not STRANGER:
        yield f"{exchange}. A {address}\n"
    who = "v=spf1 -all" if visitor.kind is LIAR else f"v=spf1 ip4:{network}.0/24 -all"
    if visitor.kind not in (STRANGER, NEWCOMER):
        yield f'{domain}. TXT "{who}"\n'
    yield f"{domain}. MX 10 {exchange}.\n{domain}. A {address}\n"
    yield f'_dmarc.{domain}. TXT "v=DMARC1; p=none"\n'
    yield from _listings(visitor)


def _listings(visitor: Visitor) -> Iterator[str]:
    back = ".".join(reversed(visitor.address.split(".")))
    if visitor.kind is LISTED:
        yield f"{back}.zen.spamhaus.org. A 127.0.0.2\n{back}.zen.spamhaus.org. A 127.0.0.4\n"
        yield f"{back}.bl.blocklist.de. A 127.0.0.9\n{back}.bl.mailspike.net. A 127.0.0.10\n"
        yield f"{visitor.domain}.dbl.spamhaus.org. A 127.0.1.2\n"
    elif visitor.kind is DOUBTED:
        yield f"{back}.bl.mailspike.net. A 127.0.0.12\n"
    elif visitor.kind is CLEAN and visitor.number % 10 == 0:
        yield f"{back}.list.dnswl.org. A 127.0.5.2\n"


LISTS = (
    "spamhaus-zen", "blocklist-de", "mailspike", "spameatingmonkey", "dnswl",
    "spamhaus-dbl", "surbl", "uribl",
)  # fmt: skip
"""Those of the shipped DNS lists that this zone has."""


def _test_points() -> Iterator[str]:
    """What each list must have, or it would be taken out of use (RFC 5782 5)."""
    points = {
        "2.0.0.127.zen.spamhaus.org": "127.0.0.2",
        "2.0.0.127.bl.blocklist.de": "127.0.0.2",
        "2.0.0.127.bl.mailspike.net": "127.0.0.10",
        "2.0.0.127.bl.spameatingmonkey.net": "127.0.0.2",
        "2.0.0.127.list.dnswl.org": "127.0.10.1",
        "dbltest.com.dbl.spamhaus.org": "127.0.1.2",
        "test.surbl.org.multi.surbl.org": "127.0.0.8",
        "test.uribl.com.multi.uribl.com": "127.0.0.2",
    }
    return (f"{name}. A {address}\n" for name, address in points.items())
