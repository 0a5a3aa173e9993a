"""How the keys of ratings are spelled: `client:192.0.2.7`, `network:192.0.2.0/24`, `host:example.org` ...

One place for who notes, who reads and who is asked at the keyboard: a key that is written otherwise
would never be found. A client of IPv6 is its /64 (`client:2001:db8::/64`), because it can change its
address in there with each connection.
"""

import ipaddress
from functools import lru_cache

from postward.address import normal_domain
from postward.derive.orgdomain import org_domain
from postward.mail import IPAddress
from postward.network import address_of, cidr_of, holder_of

KINDS = ("client", "network", "asn", "host", "domain", "login")
MAX_LOGIN = 255
_MAX_ASN = 2**32 - 1  # RFC 6793


class BadKey(ValueError):
    """No key of a rating; the text says what to write."""


@lru_cache(maxsize=8192)
def keys_of_address(address: IPAddress) -> tuple[str, str]:
    """The keys of a client and of its /24 or /64."""
    return f"client:{holder_of(address)}", f"network:{cidr_of(address)}"


def key_of_asn(asn: int) -> str:
    """The key of an autonomous system."""
    return f"asn:{asn}"


def key_of_host(org: str) -> str:
    """The key of an organizational domain that clients bear in their names."""
    return f"host:{org}"


def key_of_domain(org: str) -> str:
    """The key of a sender's organizational domain."""
    return f"domain:{org}"


def key_of_login(login: str) -> str:
    """The key of a SASL login; a longer one than `MAX_LOGIN` counts by its beginning."""
    return f"login:{login[:MAX_LOGIN].lower()}"


def read_key(text: str) -> str:
    """The key that a person wrote, as it is kept. Raises BadKey."""
    kind, colon, what = text.strip().partition(":")
    if not colon or kind not in KINDS:
        raise BadKey(f"{text!r} is no key; write {_such_as(kind)}")
    what = what.strip()
    match kind:
        case "client":
            return _client(what)
        case "network":
            return _network(what)
        case "asn":
            number = what.upper().removeprefix("AS")
            if not (number.isascii() and number.isdigit() and 0 < int(number[:12]) <= _MAX_ASN):
                raise BadKey(f"{what!r} is no number of an autonomous system; write asn:64500")
            return key_of_asn(int(number))
        case "login":
            if not 0 < len(what) <= MAX_LOGIN or not what.isprintable():
                raise BadKey("no login; write login:alice@example.org, as it is given to SASL")
            return key_of_login(what)
    return _domain(kind, what)


def keys_about(text: str) -> tuple[str, ...]:
    """The keys that a person may mean: a key itself, an address, a login or a domain. Raises BadKey.

    An address stands for its network too, a domain for host and sender alike, a host's or subdomain's
    name for the organization that is rated.
    """
    text = text.strip()
    address = address_of(text)
    if address is not None:
        return keys_of_address(address)
    if text.partition(":")[0] in KINDS and ":" in text:
        return (read_key(text),)
    if "/" in text:
        return (_network(text),)
    local, at, domain = text.rpartition("@")
    org = _organization(domain)
    if at and org and local:
        return read_key(f"login:{text}"), key_of_domain(org)
    if not at and org and "." in domain:
        return key_of_host(org), key_of_domain(org)
    raise BadKey(
        f"{text!r} is no key, address or domain; write 192.0.2.7, example.org, alice@example.org "
        f"or {_such_as('')}"
    )


def keys_of_sender(text: str) -> tuple[str, ...]:
    """The key of a sender's domain that a person or a tool wrote. Raises BadKey."""
    org = _organization(text.strip())
    if not org or "." not in text:
        raise BadKey(f"{text!r} is no key, address or domain; write 192.0.2.7, example.org or {_such_as('')}")
    return (key_of_domain(org),)


def _organization(text: str) -> str:
    """The organizational domain of a name, empty where it is none."""
    domain = normal_domain(text)
    return org_domain(domain) if domain is not None and not domain.startswith("[") else ""


def _client(what: str) -> str:
    address = address_of(what)
    if address is None and ":" in what and what.endswith("/64"):
        return _network(what).replace("network:", "client:", 1)
    if address is None:
        raise BadKey(f"{what!r} is no address; write client:192.0.2.7")
    return keys_of_address(address)[0]


def _network(what: str) -> str:
    try:
        network = ipaddress.ip_network(what, strict=False)
    except ValueError:
        raise BadKey(f"{what!r} is no network; write network:192.0.2.0/24") from None
    right = cidr_of(network.network_address)
    if right != what.lower() and right != str(network):
        raise BadKey(f"clients are rated by their /24 or /64; write network:{right}")
    return f"network:{right}"


def _domain(kind: str, what: str) -> str:
    org = _organization(what)
    if not org:
        raise BadKey(f"{what!r} is no domain name; write {kind}:example.org")
    if org != normal_domain(what):
        raise BadKey(f"whole organizations are rated; write {kind}:{org}")
    return f"{kind}:{org}"


def _such_as(kind: str) -> str:
    if kind.lower() in KINDS:
        return f"it in small letters: {kind.lower()}:..."
    return "client:, network:, asn:, host:, domain: or login: and what it is about, such as client:192.0.2.7"
