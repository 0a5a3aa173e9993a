"""Which servers to ask where the configuration names none: those of resolv.conf(5)."""

import ipaddress
from pathlib import Path

from postward.dns.transport import Server

RESOLV_CONF = Path("/etc/resolv.conf")
PORT = 53
_MAX_SERVERS = 8
_MAX_OCTETS = 65_536


def servers_from(resolv_conf: Path = RESOLV_CONF) -> tuple[Server, ...]:
    """The servers of its `nameserver` lines; 127.0.0.1 where there are none, as resolv.conf(5) says.

    A line that holds no address is passed over, as the system's own resolver does.
    """
    try:
        with resolv_conf.open("rb") as file:
            text = file.read(_MAX_OCTETS).decode("utf-8", "replace")
    except FileNotFoundError:
        text = ""
    lines = (line.split() for line in text.splitlines())
    named = (words[1] for words in lines if len(words) >= 2 and words[0] == "nameserver")
    servers = [(name, PORT) for name in named if _is_address(name)]
    return tuple(servers[:_MAX_SERVERS]) or (("127.0.0.1", PORT),)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
