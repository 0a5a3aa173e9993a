"""What one value of an admin's list means: a network, an AS number, a name or an address.

A value that cannot be meant is refused with what to write instead: an entry that never matches, or
matches more than was thought, is worse than an error.
"""

import ipaddress
import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from postward.address import normal_domain

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_VALUE = 512  # octets: local part, @ and domain (RFC 5321 4.5.3.1), and some more
_MAX_ASN = 2**32 - 1  # RFC 6793
_ASN = re.compile(r"AS([0-9]{1,10})\Z", re.IGNORECASE | re.ASCII)
_ASN_MEANT = re.compile(r"(?:ASN?[ :#-]?)?([0-9]{1,10})\Z", re.IGNORECASE | re.ASCII)
_ASDOT = re.compile(r"AS([0-9]{1,5})\.([0-9]{1,5})\Z", re.IGNORECASE | re.ASCII)  # RFC 5396
_PREFIX = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){0,2}\.(?:\*(?:\.\*){0,2})?\Z", re.ASCII)
_PORT = re.compile(r"(?:\[([^\]]+)\]|([0-9.]+))(?::[0-9]+)?\Z", re.ASCII)
_NETWORK = frozenset("0123456789abcdefABCDEF:./")
_NETWORK4 = frozenset("0123456789./")
_MOST_HINTS = 4


class BadEntry(ValueError):
    """A value that means nothing in a list; the text says why, and what to write."""


class Meaning(NamedTuple):
    """What a value stands for. Equal meanings are the same entry, however they are written.

    `kind`: `network` (`key` is the network), `asn` (its number), `name` (this very domain name), `below`
    (it and all names below it), `address` (`local@domain`), `local` (the local part, at any domain).
    """

    kind: str
    key: str | int | Network


def meaning(value: str) -> Meaning:
    """What `value` means. Raises BadEntry."""
    value = value.strip()
    if len(value) > MAX_VALUE:
        raise BadEntry(f"a value of more than {MAX_VALUE} characters")
    if (found := _ASN.match(value)) is not None:
        return Meaning("asn", _asn(int(found[1])))
    if "@" in value and "://" not in value:
        return _address(value)
    if _looks_like_network(value):
        return Meaning("network", _network(value))
    below = value.startswith(".")
    name = normal_domain(value[1:] if below else value)
    if name is None or name.startswith("[") or _is_number(name):
        raise BadEntry(f"{value!r} is no network, AS number, address or domain name{_meant(value)}")
    return Meaning("below" if below else "name", name)


def is_wide(value: Meaning) -> bool:
    """Whether it takes in a whole provider: an AS number, or more than a /16 (IPv6: /32)."""
    if value.kind == "asn":
        return True
    if isinstance(value.key, ipaddress.IPv4Network):
        return value.key.prefixlen < 16
    return isinstance(value.key, ipaddress.IPv6Network) and value.key.prefixlen < 32


def _is_number(name: str) -> bool:
    """No top-level domain is a number (RFC 3696 2): a range, an AS number or an address that is mistyped."""
    return name.rpartition(".")[2].isdigit() or _ASN_MEANT.match(name) is not None


def _asn(number: int) -> int:
    if not 0 < number <= _MAX_ASN:
        raise BadEntry(f"AS{number} is no AS number; they go from AS1 to AS{_MAX_ASN}")
    return number


def _address(value: str) -> Meaning:
    local, _, domain = value.rpartition("@")
    if not domain and local and "@" not in local:
        return Meaning("local", local.lower())
    name = normal_domain(domain)
    if name is None or not local or "<" in local or local.lower().startswith("mailto:"):
        raise BadEntry(f"{value!r} is no address{_address_meant(local, domain)}")
    return Meaning("address", f"{local.lower()}@{name}")


def _address_meant(local: str, domain: str) -> str:
    name = normal_domain(domain.removesuffix(">"))
    if name is None:
        return "; write alice@example.org, or example.org for all of it"
    inner = re.split("[<:]", local)[-1]
    return f"; write {inner}@{name}" if inner else f"; write {name} for all addresses at it"


def _network(value: str) -> Network:
    try:
        network = ipaddress.ip_network(value)
    except ValueError:
        raise BadEntry(f"{value!r} is no address or network{_network_meant(value)}") from None
    mapped = network.network_address.ipv4_mapped if isinstance(network, ipaddress.IPv6Network) else None
    if mapped is not None and network.prefixlen >= 96:
        inner = ipaddress.ip_network((mapped, network.prefixlen - 96))
        raise BadEntry(f"{value!r} is an IPv4 network inside IPv6; write {_short(inner)}")
    return network


def _short(network: Network) -> str:
    """As people write it: an address without its length."""
    whole = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if whole else str(network)


def _looks_like_network(value: str) -> bool:
    """Digits, dots, colons and slashes only: meant as an address or a network."""
    characters = set(value)
    return (
        (":" in value or value[:1].isdigit())
        and characters <= _NETWORK
        and (":" in value or characters <= _NETWORK4)
    )


def _network_meant(value: str) -> str:
    """What a value of digits and dots was meant to be, as a hint."""
    try:
        return f"; its network is {ipaddress.ip_network(value, strict=False)}"
    except ValueError:
        return _meant(value)


def _meant(value: str) -> str:
    """`; write ...` where it can be guessed, else nothing."""
    return next((f"; write {hint}" for hint in _hints(value) if hint), "")


def _hints(value: str) -> Iterator[str]:
    """Guesses, the best first."""
    if "://" in value:
        yield _of_url(value)
    if value.startswith("*."):
        yield f"{value[1:]} for all names below it"
    if (found := _ASDOT.match(value)) is not None:
        yield f"AS{int(found[1]) * 65_536 + int(found[2])}"
    if (found := _ASN_MEANT.match(value)) is not None:
        yield f"AS{found[1]}"
    if _PREFIX.match(value) is not None:
        yield _of_prefix(value)
    if (found := _PORT.match(value)) is not None:
        yield _of_literal(found[1] or found[2])
    if "-" in value:
        yield _of_range(*value.split("-", 1))
    if "," in value or " " in value.strip():
        yield "one value an entry"
    if not value.isascii():
        yield "the name as it stands in the DNS (xn--...): this is no internationalized name"


def _of_url(value: str) -> str:
    try:
        name = normal_domain(urlsplit(value).hostname or "")
    except ValueError:
        return ""
    return f"{name}, or .{name} for all names below it: a list holds no URLs" if name else ""


def _of_prefix(value: str) -> str:
    """`192.0.2.` and `192.0.*.*`: how Postfix and others write 192.0.2.0/24 and 192.0.0.0/16."""
    octets = [octet for octet in value.split(".") if octet.isdigit()]
    text = ".".join(octets + ["0"] * (4 - len(octets)))
    try:
        return str(ipaddress.ip_network(f"{text}/{8 * len(octets)}"))
    except ValueError:
        return ""


def _of_literal(text: str) -> str:
    """`[192.0.2.1]`, `[IPv6:2001:db8::1]` (RFC 5321 4.1.3) and `192.0.2.1:25`."""
    text = text[5:] if text[:5].lower() == "ipv6:" else text
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""


def _of_range(first: str, last: str) -> str:
    """`192.0.2.0-192.0.3.255`: the networks that it is, when they are few."""
    try:
        low, high = ipaddress.ip_address(first.strip()), ipaddress.ip_address(last.strip())
        networks = ipaddress.summarize_address_range(low, high)
        parts = [str(network) for network, _ in zip(networks, range(_MOST_HINTS + 1), strict=False)]
    except (ValueError, TypeError):
        return ""
    return ", ".join(parts) if len(parts) <= _MOST_HINTS else "its networks such as 192.0.2.0/24"
