"""Ranges of addresses and whose they are, in arrays: 600,000 of them take 23 MB with all names, not 300.

Ranges may come in any order and lie inside each other: the smallest one holds. What comes in
order and apart, as the usual files do, is only appended.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from heapq import merge
from typing import Protocol

from postward.tools import Network

_NAME = 100  # characters of a name that are kept
_SEPARATOR = "\0"
_PART = 4_096  # ranges that are sorted in one go, in a few milliseconds


class Numbers(Protocol):
    """A growing sequence of whole numbers."""

    def append(self, number: int, /) -> None: ...
    def __getitem__(self, index: int, /) -> int: ...
    def __len__(self) -> int: ...


class _Wide:
    """Numbers of 128 bits, 16 octets each; `array` ends at 64 bits."""

    __slots__ = ("_octets",)

    def __init__(self) -> None:
        self._octets = bytearray()

    def append(self, number: int, /) -> None:
        self._octets += number.to_bytes(16)

    def __getitem__(self, index: int, /) -> int:
        return int.from_bytes(self._octets[16 * index : 16 * index + 16])

    def __len__(self) -> int:
        return len(self._octets) // 16


def _numbers(version: int) -> Numbers:
    return array("I") if version == 4 else _Wide()


class Ranges:
    """Ranges of one version of IP, each with the number of its owner, from the first to the last address."""

    __slots__ = ("_last", "_ordered", "_version", "firsts", "lasts", "owners")

    def __init__(self, version: int) -> None:
        self.firsts, self.lasts = _numbers(version), _numbers(version)
        self.owners = array("I")
        self._version = version
        self._ordered = True
        self._last = -1

    def add(self, first: int, last: int, owner: int) -> None:
        """Take in the addresses from `first` to `last`; `ordered` before the first `find`."""
        self._ordered = self._ordered and first > self._last
        self._last = last
        self.firsts.append(first)
        self.lasts.append(last)
        self.owners.append(owner)

    def ordered(self) -> "Ranges":
        """The same addresses in ranges that come in order and apart; of several the smallest range holds."""
        if self._ordered:
            return self
        apart = Ranges(self._version)
        around: list[tuple[int, int]] = []  # last address and owner of the open ranges, innermost last
        at = 0  # the next address that is not given away yet

        def close_before(first: int | None) -> None:
            nonlocal at
            while around and (first is None or around[-1][0] < first):
                last, owner = around.pop()
                if at <= last:
                    apart.add(at, last, owner)
                    at = last + 1

        for first, last, owner in self._sorted():
            close_before(first)
            if around and at < first:
                apart.add(at, first - 1, around[-1][1])
            at = first
            around.append((last, owner))
        close_before(None)
        return apart

    def _sorted(self) -> Iterator[tuple[int, int, int]]:
        """By first address, what encloses before what is enclosed, else as they came."""
        firsts, lasts, count = self.firsts, self.lasts, len(self.owners)

        def place(index: int) -> tuple[int, int]:
            return firsts[index], -lasts[index]

        # All at once would keep the interpreter from every other thread for half a second.
        parts = (range(begin, min(begin + _PART, count)) for begin in range(0, count, _PART))
        for index in merge(*(array("I", sorted(part, key=place)) for part in parts), key=place):
            yield firsts[index], lasts[index], self.owners[index]

    def find(self, address: int) -> int | None:
        """The owner of an address."""
        index = bisect_right(self.firsts, address) - 1
        return self.owners[index] if index >= 0 and address <= self.lasts[index] else None

    def __len__(self) -> int:
        return len(self.owners)


class Owners:
    """The autonomous systems, by number of first appearance; names in one piece of text."""

    def __init__(self) -> None:
        self._asns = array("I")
        self._ends = array("I")
        self._text = bytearray()
        self._known: dict[tuple[int, str, str], int] = {}

    def number(self, asn: int, name: str, country: str) -> int:
        """The number of this system, a new one for one that is new."""
        key = (asn, name[:_NAME], country[:_NAME])
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = len(self._asns)
            self._asns.append(asn)
            self._text += f"{key[1]}{_SEPARATOR}{key[2]}".encode()
            self._ends.append(len(self._text))
        return known

    def close(self) -> None:
        """All are in: forget what only `number` needs."""
        self._known = {}

    def __getitem__(self, number: int) -> Network:
        begin = self._ends[number - 1] if number else 0
        name, _, country = self._text[begin : self._ends[number]].decode().partition(_SEPARATOR)
        return Network(self._asns[number], name, country)
