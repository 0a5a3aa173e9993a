"""The counters in memory: who has used how much of which windows, and who was answered already.

Every store that counts in this process uses it; a durable one writes down what `book` says.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from postward.state import Count, Window
from postward.store.generations import Generations
from postward.store.windows import TICKS, Account, Ring, count

MAX_KEYS = 20_000
"""Keys in memory; about 0.7 kB each with two windows."""
MAX_REPEATS = 100_000
"""Instances remembered; about 0.1 kB each. Beyond 80 new ones a second the oldest go before their time."""
REMEMBERED = 600
"""Seconds for which a repeated hit gets its first answer, at least."""
_PLANS = 1024


@dataclass(frozen=True, slots=True)
class Past:
    """What an instance did to a key: the windows (by seconds) it was booked in, the plans refused.

    Equal ones are one object, so that remembering an instance costs no more than its place.
    """

    booked: frozenset[int]
    refused: frozenset[tuple[str, int]]


past = lru_cache(maxsize=4096)(Past)
_NOTHING = past(frozenset(), frozenset())


@dataclass(frozen=True, slots=True)
class Plan:
    """A set of windows prepared for counting.

    `name` tells it from others; `spans` are the windows in which a fresh hit is booked, as a log
    writes them; `after` is what is remembered of a fresh hit that was granted; `distinct`: no two windows
    are equally long.
    """

    windows: tuple[Window, ...]
    seconds: frozenset[int]
    name: str
    spans: str
    after: Past
    distinct: bool


def prepare(windows: tuple[Window, ...]) -> Plan:
    """The plan for `windows`. Raises `ValueError` for what cannot be counted in."""
    if not windows or any(window.limit < 0 or window.seconds < 1 for window in windows):
        raise ValueError(f"not windows to count in: {windows!r}")
    seconds = frozenset(window.seconds for window in windows)
    name = ",".join(f"{window.limit}/{window.seconds}" for window in windows)
    return Plan(
        windows, seconds, name, spans(seconds), past(seconds, frozenset()), len(seconds) == len(windows)
    )


def spans(seconds: frozenset[int]) -> str:
    """Windows (by seconds) as a log writes them."""
    return ",".join(map(str, sorted(seconds)))


class Ledger:
    """`may_forget` says whether the older half of the keys may leave memory (a store has them too)."""

    def __init__(self, may_forget: Callable[[], bool] | None = None, *, keys: int = MAX_KEYS) -> None:
        self.accounts: Generations[Account] = Generations(keys, may_forget)
        self.repeats: Generations[Past] = Generations(MAX_REPEATS)
        self._plans: dict[int, Plan] = {}
        self._turned = 0

    def book(
        self,
        key: str,
        account: Account,
        windows: tuple[Window, ...],
        amount: int,
        ticks: int,
        instance: str,
    ) -> tuple[tuple[Count, ...], str]:
        """Book `amount` in all windows or in none; in none twice for one `instance` (empty: no instance).

        Gives the counts, and the windows in which it was booked as `spans` writes them (empty: in none).
        """
        plan = self._plans.get(id(windows))
        if plan is None or plan.windows is not windows:
            plan = self._plan(windows)
        mark = 0
        if instance:
            mark = hash((key, instance))
            before = self.repeats.get(mark)
            if before is not None:
                return self._again(mark, before, plan, account, amount, ticks)
        if account.plan is not plan:
            account.held = [account.ring(window.seconds) for window in windows]
            account.plan = plan
        held = account.held
        full = _full(held, plan, amount, ticks, _NOTHING.booked)
        if not full:
            for ring in held if plan.distinct else set(held):
                ring.book(ticks, amount)
        if instance:
            after = past(_NOTHING.booked, frozenset({(plan.name, full)})) if full else plan.after
            self._remember(mark, after, ticks)
        counts = tuple(
            [
                count(ring, window, not full >> index & 1, amount, ticks)
                for index, (ring, window) in enumerate(zip(held, windows, strict=True))
            ]
        )
        return counts, "" if full else plan.spans

    def undo(self, key: str, account: Account, booked: str, amount: int, ticks: int, instance: str) -> None:
        """Take a booking back that could not be written down, and forget that this instance made it."""
        seconds = frozenset(map(int, booked.split(",")))
        for each in seconds:
            account.ring(each).unbook(ticks, amount)
        mark = hash((key, instance))
        before = self.repeats.get(mark)
        if before is not None:
            self.repeats.put(mark, past(before.booked - seconds, before.refused))

    def replay(self, key: str, instance: str, booked: frozenset[int]) -> None:
        """Remember that `instance` was booked, before a restart."""
        mark = hash((key, instance))
        before = self.repeats.get(mark) or _NOTHING
        self.repeats.put(mark, past(before.booked | booked, before.refused))

    def _again(
        self, mark: int, before: Past, plan: Plan, account: Account, amount: int, ticks: int
    ) -> tuple[tuple[Count, ...], str]:
        """The same instance once more: the same question, or another rule's windows on the same key."""
        held = [account.ring(window.seconds) for window in plan.windows]
        fresh = plan.seconds - before.booked
        full = next((full for name, full in before.refused if name == plan.name), 0)
        # also what was refused for good looks at what counts now, to tell when some is free
        now_full = _full(held, plan, amount, ticks, before.booked)
        if not full and now_full:
            full = now_full
            self._remember(mark, past(before.booked, before.refused | {(plan.name, full)}), ticks)
        elif not full and fresh:
            for seconds in fresh:
                account.ring(seconds).book(ticks, amount)
            self._remember(mark, past(before.booked | fresh, before.refused), ticks)
        counts = [
            count(ring, window, not full >> index & 1, amount, ticks)
            for index, (ring, window) in enumerate(zip(held, plan.windows, strict=True))
        ]
        return tuple(counts), "" if full else spans(fresh)

    def _remember(self, mark: int, what: Past, ticks: int) -> None:
        if ticks - self._turned > REMEMBERED * TICKS:
            self._turned = ticks
            self.repeats.turn()
        self.repeats.put(mark, what)

    def _plan(self, windows: tuple[Window, ...]) -> Plan:
        """The plan for `windows`, found by identity next time: their hash costs more than a booking."""
        if len(self._plans) >= _PLANS:
            self._plans.clear()
        plan = self._plans[id(windows)] = prepare(windows)
        return plan


def _full(held: list[Ring], plan: Plan, amount: int, ticks: int, booked: frozenset[int]) -> int:
    """A bit for each window that has no room. Where the amount is booked already it needs none."""
    if amount < 0:
        raise ValueError(f"nothing is taken back by a hit: {amount}")
    full, bit = 0, 1
    for ring, window in zip(held, plan.windows, strict=True):
        if ticks >= ring.stale:
            ring.expire(ticks)
        if ring.used + (0 if ring.seconds in booked else amount) > window.limit:
            full |= bit
        bit <<= 1
    return full
