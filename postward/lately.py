"""What happened lately and need not be noted again so soon: a bounded memory of one process.

It belongs to the tools (`postward.tools.Tools.lately`) and lives as long as the daemon, over reloads.
What it has forgotten is noted once more: it spares work and bounds what one client can do, no more.
"""

from collections.abc import Hashable

MOST = 16_384
"""Things of a kind that are remembered; some 0.3 kB each."""


class Lately:
    """For each kind a table of its own, so that a flood of one pushes out nothing of another."""

    __slots__ = ("_tables",)

    def __init__(self) -> None:
        self._tables: dict[str, dict[Hashable, tuple[float, float]]] = {}

    def first(self, kind: str, what: Hashable, *, now: float, within: float) -> bool:
        """Whether `what` is the first of its kind in `within` seconds. `now`: monotonic seconds."""
        return self.room(kind, what, 1.0, most=1.0, now=now, within=within) > 0.0

    def room(
        self, kind: str, what: Hashable, amount: float, *, most: float, now: float, within: float
    ) -> float:
        """How much of `amount` has room, where `what` may have `most` in `within` seconds; it is taken."""
        table = self._tables.get(kind)
        if table is None:
            table = self._tables[kind] = {}
        held = table.get(what)
        if held is None or held[0] <= now:
            ends, used = now + within, 0.0
            table.pop(what, None)  # what begins anew goes to the end: the first ones are forgotten first
            if len(table) >= MOST:
                del table[next(iter(table))]
        else:
            ends, used = held
        granted = min(amount, most - used)
        if granted > 0.0 or held is None or held[0] <= now:
            table[what] = (ends, used + granted)
        return granted
