"""A bounded memory that forgets what was not asked for the longest, at the price of two plain dicts.

Keys are the `hash()` of what is remembered: a 64-bit number takes half the room of a text, it is
seeded for each process (SipHash), so that a stranger cannot aim at a collision, and by chance two
of 100,000 keys share one in one process of four thousand million.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

V = TypeVar("V")


class Generations(Generic[V]):
    """At most `most` entries in two dicts. A full young one becomes the old one, whose entries go.

    What is asked for moves to the young one, so an entry in use stays. `may_turn` can put the
    forgetting off for as long as the entries of the old dict are still needed.
    """

    __slots__ = ("_half", "_may_turn", "_old", "_young")

    def __init__(self, most: int, may_turn: Callable[[], bool] | None = None) -> None:
        self._half = max(1, most // 2)
        self._may_turn = may_turn
        self._young: dict[int, V] = {}
        self._old: dict[int, V] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, mark: int) -> V | None:
        """What is remembered under `mark`."""
        value = self._young.get(mark)
        if value is None and self._old:
            value = self._old.pop(mark, None)
            if value is not None:
                self._young[mark] = value
        return value

    def put(self, mark: int, value: V) -> None:
        """Remember `value`, in place of what was there."""
        young = self._young
        young[mark] = value
        if len(young) >= self._half and (self._may_turn is None or self._may_turn()):
            self.turn()

    def turn(self) -> None:
        """Forget the older half."""
        self._old = self._young
        self._young = {}
