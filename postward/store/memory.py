"""A store in memory: for tests, for `postward explain`, and for a site that needs no state.

The same arithmetic as the durable stores; nothing outlives the process, and nothing ever waits.
"""

from collections.abc import Callable

from postward.state import Count, Meeting, Window
from postward.store import triplets
from postward.store.generations import Generations
from postward.store.ledger import Ledger
from postward.store.memory_holds import MemoryHolds
from postward.store.memory_ratings import MemoryRatings
from postward.store.memory_seen import MemorySeen
from postward.store.standing import HALF_LIFE
from postward.store.timeline import Timeline
from postward.store.windows import TICKS, Account


class MemoryStore:
    """`postward.state.Store`, bounded: what was not asked for the longest is forgotten."""

    def __init__(self, *, steady: Callable[[], float] | None = None, half_life: float = HALF_LIFE) -> None:
        timeline = Timeline(steady)
        self.greylist = MemoryGreylist(timeline)
        self.counters = MemoryCounters(timeline)
        self.seen = MemorySeen(timeline)
        self.ratings = MemoryRatings(timeline, half_life)
        self.holds = MemoryHolds(timeline)

    def close(self) -> None:
        """Nothing to let go of."""


class MemoryGreylist:
    """`postward.state.Greylist`."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._entries: Generations[bytes] = Generations(200_000)

    async def meet(self, key: str, *, now: float, delay: float, window: float, keep: float) -> Meeting:
        mark = hash(key)
        at = int(self._timeline.at(now) * 1000)
        entry, meeting = triplets.meet(self._entries.get(mark), at, delay, window, keep)
        self._entries.put(mark, entry)
        return meeting


class MemoryCounters:
    """`postward.state.Counters`."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._ledger = Ledger()

    async def hit(
        self, key: str, windows: tuple[Window, ...], amount: int, *, now: float, instance: str
    ) -> tuple[Count, ...]:
        mark = hash(key)
        account = self._ledger.accounts.get(mark)
        if account is None:
            account = Account()
            self._ledger.accounts.put(mark, account)
        ticks = int(self._timeline.at(now) * TICKS)
        return self._ledger.book(key, account, windows, amount, ticks, instance)[0]
