"""Client addresses: read in one way at both doors, and the network that a client counts by."""

import ipaddress
from functools import lru_cache

from postward.mail import IPAddress

_MAX_TEXT = 45  # octets: an IPv6 address that ends in an IPv4 address
# RFC 1918, 4193, 5735. Not `is_private`: to Python documentation and test networks are private too.
_LOCAL = tuple(
    ipaddress.ip_network(text)
    for text in (
        "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
        "::1/128", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip
# RFC 6890 and the registries that it began: what no host of the Internet has, and what hides another
# address (6to4 and its relays, Teredo; mapped ones and NAT64 are outside of 2000::/3).
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_SPECIAL = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3",
        "2001::/23", "2002::/16", "3fff::/20",
    )
)  # fmt: skip
_EXAMPLES = tuple(
    map(ipaddress.ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"))
)


def address_of(text: str) -> IPAddress | None:
    """The address that `text` spells, `None` where it is none (`unknown`, empty).

    An IPv4 address in an IPv6 one is that IPv4 address, or no list of networks would know it. A zone
    (RFC 4007) can hold any characters; Postfix never tells one.
    """
    return _read(text) if len(text) <= _MAX_TEXT else None


@lru_cache(maxsize=8192)
def _read(text: str) -> IPAddress | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return None
        return address.ipv4_mapped or address
    return address


def network_of(address: IPAddress) -> str:
    """A short key, the same for all of a /24 (IPv4) or /64 (IPv6), as postgrey and rspamd have it.

    Such as `c63364/24` and `20010db800000001/64`.
    """
    if address.version == 4:
        return f"{int(address) >> 8:x}/24"
    return f"{int(address) >> 64:x}/64"


@lru_cache(maxsize=8192)
def cidr_of(address: IPAddress) -> str:
    """The /24 (IPv4) or /64 (IPv6) of an address as people write it: `192.0.2.0/24`."""
    return str(ipaddress.ip_network((int(address), 24 if address.version == 4 else 64), strict=False))


def holder_of(address: IPAddress) -> str:
    """What one client holds, as text: its IPv4 address, or its /64 of IPv6, where it can change at will."""
    return str(address) if address.version == 4 else cidr_of(address)


@lru_cache(maxsize=4096)
def is_local(address: IPAddress) -> bool:
    """This host, or a private network (RFC 1918, RFC 4193) or link."""
    return any(address in network for network in _LOCAL)


@lru_cache(maxsize=8192)
def is_public(address: IPAddress) -> bool:
    """Whether a host of the Internet can have the address, and it hides no other one."""
    return may_be_public(address) and not any(address in network for network in _EXAMPLES)


@lru_cache(maxsize=8192)
def may_be_public(address: IPAddress) -> bool:
    """The same, but networks for documentation pass: examples of tests and pages live there."""
    if address.version == 6 and address not in _GLOBAL_UNICAST:
        return False
    return not any(address in network for network in _SPECIAL)
