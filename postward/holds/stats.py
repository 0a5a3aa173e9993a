"""How the holds go: how many wait, how fast people decide, who is behind them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from postward.network import address_of, cidr_of
from postward.state import BY_DEADLINE, Ticket

DAYS = 14
_TOP = 5
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Day:
    """`day`: seconds since the epoch at its beginning (UTC)."""

    day: int
    opened: int
    decided: int


@dataclass(frozen=True, slots=True)
class Stats:
    """`oldest`: seconds that the longest waits, `to_decision`: the median until somebody decided, None
    where there is none. `networks`: (network, tickets), the most first.
    """

    waiting: int
    oldest: float | None
    days: tuple[Day, ...]
    to_decision: float | None
    approved: int
    denied: int
    by_people: int
    by_deadline: int
    networks: tuple[tuple[str, int], ...]


def stats(tickets: Sequence[Ticket], now: float) -> Stats:
    """The numbers of all `tickets`, the newest day first."""
    waiting = [each for each in tickets if each.verdict == "waiting"]
    decided = [each for each in tickets if each.verdict != "waiting"]
    people = [each for each in decided if each.decided_by != BY_DEADLINE]
    took = [each.decided - each.opened for each in people if each.decided >= each.opened]
    opened_on = Counter(int(each.opened) // _DAY for each in tickets)
    decided_on = Counter(int(each.decided) // _DAY for each in decided)
    today = int(now) // _DAY
    days = (Day(day * _DAY, opened_on[day], decided_on[day]) for day in range(today, today - DAYS, -1))
    networks: Counter[str] = Counter()
    for each in tickets:
        found = (address_of(client) for client in each.clients)
        networks.update(list(dict.fromkeys(cidr_of(address) for address in found if address is not None)))
    return Stats(
        waiting=len(waiting),
        oldest=max((now - each.opened for each in waiting), default=None),
        days=tuple(days),
        to_decision=median(took) if took else None,
        approved=sum(each.verdict == "approved" for each in decided),
        denied=sum(each.verdict == "denied" for each in decided),
        by_people=len(people),
        by_deadline=len(decided) - len(people),
        networks=tuple(networks.most_common(_TOP)),
    )
