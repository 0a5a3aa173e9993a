"""Lists and networks for tests of checks."""

import ipaddress

from postward.lists import CompiledList
from postward.mail import IPAddress
from postward.tools import Entry, Network


class OneNetwork:
    """Implements `postward.tools.Networks`: one range of addresses that somebody has."""

    def __init__(self, cidr: str, network: Network) -> None:
        self.cidr = ipaddress.ip_network(cidr)
        self.network = network
        self.asked = 0

    def find(self, address: IPAddress) -> Network | None:
        self.asked += 1
        return self.network if address in self.cidr else None


def list_of(*values: str, expires: float | None = None) -> CompiledList:
    """A list with these values, each with the note `why`."""
    made = CompiledList("x")
    for value in values:
        made.add(Entry(value, "why", "2026-11-22", expires))
    return made
