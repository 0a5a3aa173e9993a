"""An admin's list, compiled: networks, addresses and names, each entry with note, added and expires.

One list may hold all kinds; the rule that uses it says what is looked up. A value means:

| value | matches |
|---|---|
| `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/32` | a client address in it; the longest prefix wins |
| `example.org` | this very name; an address at it |
| `.example.org` | names below it and itself; addresses at them |
| `alice@example.org` | this address, whatever the case |
| `postmaster@` | this local part at any domain |
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from postward.address import Address, normal_domain
from postward.mail import IPAddress
from postward.tools import Entry

K = TypeVar("K")
_MAX_LABELS = 127  # RFC 1035: 255 octets hold no more


class BadEntry(ValueError):
    """A value that is no network, address or name; the text says why."""


@dataclass(slots=True)
class CompiledList:
    """Implements `postward.tools.NamedList`. A look-up costs a few dict probes, however long the list."""

    name: str
    empty: bool = True
    _networks: dict[tuple[int, int], dict[int, Entry]] = field(default_factory=dict)
    _prefixes: dict[int, list[int]] = field(default_factory=dict)
    _addresses: dict[str, Entry] = field(default_factory=dict)
    _locals: dict[str, Entry] = field(default_factory=dict)
    _names: dict[str, Entry] = field(default_factory=dict)
    _below: dict[str, Entry] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        """Take in one entry. Raises BadEntry."""
        self.empty = False
        value = entry.value.strip()
        if "@" in value:
            self._add_address(value, entry)
        elif _looks_like_network(value):
            self._add_network(value, entry)
        else:
            below = value.startswith(".")
            name = normal_domain(value[1:] if below else value)
            if name is None or name.startswith("["):
                hint = f"; write {value[1:]} for all names below it" if value.startswith("*.") else ""
                raise BadEntry(f"{value!r} is no network, address or domain name{hint}")
            _put(self._below if below else self._names, name, entry)

    def _add_address(self, value: str, entry: Entry) -> None:
        local, _, domain = value.rpartition("@")
        if not domain and local and "@" not in local:
            _put(self._locals, local.lower(), entry)
            return
        name = normal_domain(domain)
        if name is None or not local:
            raise BadEntry(f"{value!r} is no address; write alice@example.org, or example.org for all of it")
        _put(self._addresses, f"{local.lower()}@{name}", entry)

    def _add_network(self, value: str, entry: Entry) -> None:
        try:
            network = ipaddress.ip_network(value)
        except ValueError:
            raise BadEntry(f"{value!r} is no address or network{_meant(value)}") from None
        length = network.prefixlen
        number = int(network.network_address) >> (network.max_prefixlen - length)
        _put(self._networks.setdefault((network.version, length), {}), number, entry)
        lengths = self._prefixes.setdefault(network.version, [])
        if length not in lengths:
            lengths.append(length)
            lengths.sort(reverse=True)

    def match_client(self, address: IPAddress | None, name: str, now: float) -> Entry | None:
        """By address first, then by the verified name `name` (empty or `unknown`: not looked up)."""
        if address is not None:
            number, width = int(address), address.max_prefixlen
            for length in self._prefixes.get(address.version, ()):
                entry = self._networks[address.version, length].get(number >> (width - length))
                if entry is not None and _live(entry, now):
                    return entry
        if name and name != "unknown":
            return self.match_domain(name, now)
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

    def __len__(self) -> int:
        tables: Iterable[dict[str, Entry]] = (self._addresses, self._locals, self._names, self._below)
        return sum(map(len, tables)) + sum(map(len, self._networks.values()))


def _put(table: dict[K, Entry], key: K, entry: Entry) -> None:
    if key in table:  # which one holds would depend on their order
        raise BadEntry(f"{entry.value!r} stands in the list already; keep one")
    table[key] = entry


def _meant(value: str) -> str:
    """The network that a value with host bits was meant to be, as a hint."""
    try:
        return f"; its network is {ipaddress.ip_network(value, strict=False)}"
    except ValueError:
        return ""


def _live(entry: Entry, now: float) -> bool:
    return entry.expires is None or now < entry.expires


def _looks_like_network(value: str) -> bool:
    """Digits, dots, colons and slashes only: meant as an address or a network."""
    return (
        (":" in value or value[:1].isdigit())
        and set(value) <= set("0123456789abcdefABCDEF:./")
        and (":" in value or set(value) <= set("0123456789./"))
    )
