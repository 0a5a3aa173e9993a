"""The cache that all look-ups of a process share: what was answered, until its time to live is over.

Bounded, least recently used out first; a large answer counts as several. A hit costs about a
microsecond and never waits.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from postward.tools import Answer, NoData, NoName, Records, Trouble

Key = tuple[int, str | int]
"""(record type, name in lower case), or (4 or 6, address as a number) for a reverse look-up."""

MIN_TTL, MAX_TTL = 5, 86_400
"""Seconds. The lower bound spares the servers of zones that say 0 a query for each recipient."""
MAX_NEGATIVE_TTL = 3_600
"""RFC 2308 5 advises one to three hours at most."""
TROUBLE_TTL = 3
"""RFC 2308 7.1 allows five minutes; a repaired zone should be seen at once."""
_OCTETS_AN_ENTRY = 512
_AROUND_ONE = 50  # octets of memory that a text or a pair takes beside what it holds


class Cache:
    """`size`: entries at most; an answer counts once for each 512 octets that it holds."""

    def __init__(self, size: int, now: Callable[[], float]) -> None:
        self._size = size
        self._now = now
        self._held: OrderedDict[Key, tuple[Answer[Any], float, int, int]] = OrderedDict()
        self._weight = 0

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: Key) -> Answer[Any] | None:
        """What is known, with the seconds it still holds, or `None`."""
        held = self._held.get(key)
        if held is None:
            return None
        answer, until, ttl, weight = held
        left = until - self._now()
        if left <= 0:
            del self._held[key]
            self._weight -= weight
            return None
        self._held.move_to_end(key)
        whole = int(left)
        if whole >= ttl:  # Trouble, or asked within the same second
            return answer
        answer = _aged(answer, whole)
        self._held[key] = answer, until, whole, weight
        return answer

    def put(self, key: Key, answer: Answer[Any]) -> Answer[Any]:
        """Keep `answer` for its time to live, and give it back with that time clamped."""
        answer, seconds = _clamped(answer)
        weight = _weight(answer)
        old = self._held.pop(key, None)
        if old is not None:
            self._weight -= old[3]
        ttl = 0 if isinstance(answer, Trouble) else answer.ttl
        self._held[key] = answer, self._now() + seconds, ttl, weight
        self._weight += weight
        while self._weight > self._size:
            _, (_, _, _, lighter) = self._held.popitem(last=False)
            self._weight -= lighter
        return answer


def _clamped(answer: Answer[Any]) -> tuple[Answer[Any], int]:
    """The answer as it is kept, and the seconds for which it is."""
    match answer:
        case Records(values, ttl):
            seconds = min(max(ttl, MIN_TTL), MAX_TTL)
            return Records(values, seconds), seconds
        case NoName(ttl) | NoData(ttl):
            seconds = min(max(ttl, MIN_TTL), MAX_NEGATIVE_TTL)
            return type(answer)(seconds), seconds
        case Trouble():
            return answer, TROUBLE_TTL


def _aged(answer: Answer[Any], ttl: int) -> Answer[Any]:
    match answer:
        case Records(values, _):
            return Records(values, ttl)
        case NoName():
            return NoName(ttl)
        case NoData():
            return NoData(ttl)
        case Trouble():
            return answer


def _weight(answer: Answer[Any]) -> int:
    if not isinstance(answer, Records):
        return 1
    return 1 + sum(map(_octets, answer.values)) // _OCTETS_AN_ENTRY


def _octets(value: Any) -> int:
    """The memory that a value takes: an address or a name, an exchange with its preference, strings."""
    if isinstance(value, str):
        return _AROUND_ONE + len(value)
    if isinstance(value[0], int):
        return 2 * _AROUND_ONE + len(value[1])
    return _AROUND_ONE + sum(_AROUND_ONE + len(each) for each in value)
