"""The labels under which a list keeps an address or a name (RFC 5782 2.1, 2.4, 3).

An empty answer means: this is never asked, because no list can know it and the question would tell
strangers about our own network.
"""

import ipaddress
from collections.abc import Callable
from functools import lru_cache
from typing import Literal

from postward.address import MAX_DOMAIN, normal_domain
from postward.mail import IPAddress

Orgs = Callable[[str], str]
"""The organizational domain of a name."""

_HOME = [
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.168.0.0/16", "224.0.0.0/3", "::/127", "fc00::/7", "fe80::/10", "ff00::/8",
    )
]  # fmt: skip
"""This host and this site (RFC 6890), and what can be no client (multicast, class E)."""
_HOME_DOMAINS = frozenset(
    {"localhost", "localdomain", "local", "internal", "intranet", "lan", "home", "corp", "private", "arpa",
     "invalid", "onion"}
)  # fmt: skip
"""Names that the public DNS does not have (RFC 6761, RFC 6762 G), and the reverse zones."""


@lru_cache(maxsize=8192)
def of_address(address: IPAddress) -> str:
    """`2.0.0.127` of 127.0.0.2, 32 nibbles of an IPv6 address; empty for one of this site."""
    address = getattr(address, "ipv4_mapped", None) or address
    return "" if any(address in network for network in _HOME) else reverse(address)


def reverse(address: IPAddress) -> str:
    """The octets or nibbles of any address, the last first."""
    pointer = address.reverse_pointer
    return pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")


def domain(name: str) -> str:
    """`name` as lists keep it (lower case, A-labels); empty for a literal, an address or a local name."""
    return _domain(name) if len(name) <= MAX_DOMAIN else ""


@lru_cache(maxsize=8192)
def _domain(name: str) -> str:
    found = normal_domain(name)
    if found is None or found.startswith("["):
        return ""
    _, dot, last = found.rpartition(".")
    return "" if not dot or last.isdigit() or last in _HOME_DOMAINS else found


def of_name(name: str, names: Literal["org", "name", "both"], org: Orgs) -> tuple[str, ...]:
    """What a domain list is asked for about `name`, which `domain` gave."""
    if names == "name":
        return (name,)
    owner = org(name)
    return (owner,) if names == "org" or owner == name else (owner, name)
