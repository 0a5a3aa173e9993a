"""The network that a client counts by: /24 for IPv4, /64 for IPv6 (what postgrey and rspamd do too)."""

from postward.mail import IPAddress


def network_of(address: IPAddress) -> str:
    """A short key, the same for all addresses of one network: `c63364/24`, `20010db800000001/64`."""
    if address.version == 4:
        return f"{int(address) >> 8:x}/24"
    return f"{int(address) >> 64:x}/64"
