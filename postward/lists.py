"""An admin's list, compiled: networks, addresses and names, each entry with note, added and expires.

One list may hold all kinds; the rule that uses it says what is looked up. A value means:

| value | matches |
|---|---|
| `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/32` | a client address in it; the longest prefix wins |
| `AS64500` | a client address of this autonomous system, by the database of networks |
| `example.org` | this very name; an address at it |
| `.example.org` | names below it and itself; addresses at them |
| `alice@example.org` | this address, whatever the case |
| `postmaster@` | this local part at any domain |
"""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from postward.address import Address
from postward.list_value import BadEntry, Network, meaning
from postward.mail import IPAddress
from postward.tools import Entry, Match, Networks

K = TypeVar("K")
_MAX_LABELS = 127  # RFC 1035: 255 octets hold no more


@dataclass(slots=True)
class CompiledList:
    """Implements `postward.tools.NamedList`. A look-up costs a few dict probes, however long the list."""

    name: str
    empty: bool = True
    _networks: dict[tuple[int, int], dict[int, Entry]] = field(default_factory=dict)
    _prefixes: dict[int, list[int]] = field(default_factory=dict)
    _systems: dict[int, Entry] = field(default_factory=dict)
    _addresses: dict[str, Entry] = field(default_factory=dict)
    _locals: dict[str, Entry] = field(default_factory=dict)
    _names: dict[str, Entry] = field(default_factory=dict)
    _below: dict[str, Entry] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        """Take in one entry. Raises BadEntry."""
        kind, key = meaning(entry.value)
        self.empty = False
        if isinstance(key, int):
            _put(self._systems, key, entry)
        elif isinstance(key, ipaddress.IPv4Network | ipaddress.IPv6Network):
            self._add_network(key, entry)
        else:
            tables = {
                "address": self._addresses, "local": self._locals, "name": self._names, "below": self._below
            }  # fmt: skip
            _put(tables[kind], key, entry)

    def _add_network(self, network: Network, entry: Entry) -> None:
        length = network.prefixlen
        number = int(network.network_address) >> (network.max_prefixlen - length)
        _put(self._networks.setdefault((network.version, length), {}), number, entry)
        lengths = self._prefixes.setdefault(network.version, [])
        if length not in lengths:
            lengths.append(length)
            lengths.sort(reverse=True)

    @property
    def has_names(self) -> bool:
        """Whether a domain name can match."""
        return bool(self._names or self._below)

    @property
    def has_systems(self) -> bool:
        """Whether it holds AS numbers, which mean nothing without a database of networks."""
        return bool(self._systems)

    def match_network(
        self, address: IPAddress | None, name: str, networks: Networks, now: float
    ) -> Match | None:
        """By the smallest network first, then by the verified name, then by the autonomous system.

        An empty name, or `unknown`, is not looked up.
        """
        if (entry := self._by_address(address, now)) is not None:
            return Match(entry, "address")
        if name and name != "unknown" and (entry := self.match_domain(name, now)) is not None:
            return Match(entry, "name")
        if not self._systems or address is None or (network := networks.find(address)) is None:
            return None
        entry = self.match_system(network.asn, now)
        return Match(entry, "asn") if entry is not None else None

    def match_system(self, asn: int, now: float) -> Entry | None:
        """By the number of an autonomous system."""
        entry = self._systems.get(asn)
        return entry if entry is not None and _live(entry, now) else None

    def _by_address(self, address: IPAddress | None, now: float) -> Entry | None:
        if address is None:
            return None
        number, width = int(address), address.max_prefixlen
        for length in self._prefixes.get(address.version, ()):
            entry = self._networks[address.version, length].get(number >> (width - length))
            if entry is not None and _live(entry, now):
                return entry
        return None

    def match_address(self, address: Address, now: float) -> Entry | None:
        """By whole address, then local part, then domain and the domains above it."""
        if address.is_null:
            return None
        local = address.local.lower()
        if address.domain is not None:
            entry = self._addresses.get(f"{local}@{address.domain}")
            if entry is not None and _live(entry, now):
                return entry
        entry = self._locals.get(local)
        if entry is not None and _live(entry, now):
            return entry
        return self.match_domain(address.domain, now) if address.domain else None

    def match_domain(self, domain: str, now: float) -> Entry | None:
        """By the name itself, then by `.name` entries from the longest to the shortest."""
        name = domain.lower().removesuffix(".")
        entry = self._names.get(name)
        if entry is not None and _live(entry, now):
            return entry
        if not self._below:
            return None
        for _ in range(_MAX_LABELS):
            entry = self._below.get(name)
            if entry is not None and _live(entry, now):
                return entry
            _, dot, name = name.partition(".")
            if not dot:
                return None
        return None

    def entries(self) -> Iterator[Entry]:
        """All entries, also those that have expired; kind by kind."""
        for table in (*self._networks.values(), self._systems):
            yield from table.values()
        for names in (self._addresses, self._locals, self._names, self._below):
            yield from names.values()

    def __len__(self) -> int:
        tables = (self._addresses, self._locals, self._names, self._below)
        return sum(map(len, tables)) + sum(map(len, self._networks.values())) + len(self._systems)


def _put(table: dict[K, Entry], key: K, entry: Entry) -> None:
    if key in table:  # which one holds would depend on their order
        raise BadEntry(f"{entry.value!r} stands in the list already; keep one")
    table[key] = entry


def _live(entry: Entry, now: float) -> bool:
    return entry.expires is None or now < entry.expires
