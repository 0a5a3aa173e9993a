"""Tools for tests of checks: a clock that stands still until it is moved, and little of a store."""

from collections.abc import Mapping
from typing import Any, cast

from postward.checks import Check
from postward.finding import Clear, Finding, Hit, Unsure
from postward.mail import Mail
from postward.state import Store
from postward.store.memory_seen import MemorySeen
from postward.store.timeline import Timeline
from postward.tools import Dns, NamedList, Tools
from tests.dns_zone import ZoneDns


class Clock:
    """Implements `postward.tools.Clock`; `pass_by(seconds)` moves both times."""

    def __init__(self, wall: float = 1_790_000_000.0) -> None:
        self._wall = wall
        self._monotonic = 1_000.0

    def wall(self) -> float:
        return self._wall

    def monotonic(self) -> float:
        return self._monotonic

    def pass_by(self, seconds: float) -> None:
        self._wall += seconds
        self._monotonic += seconds


class _NoStore:
    """What was met before, in memory; any use of other state is a mistake of the test."""

    def __init__(self) -> None:
        self.seen = MemorySeen(Timeline())

    def __getattr__(self, verb: str) -> Any:
        raise AssertionError(f"no store here: {verb}")


def tools(
    dns: Dns | None = None,
    *,
    clock: Clock | None = None,
    lists: Mapping[str, NamedList] | None = None,
    own_domains: frozenset[str] = frozenset(),
) -> Tools:
    """Tools around `dns` (an empty zone by default)."""
    return Tools(
        dns=dns if dns is not None else ZoneDns(),
        store=cast(Store, _NoStore()),
        clock=clock if clock is not None else Clock(),
        lists=lists if lists is not None else {},
        own_domains=own_domains,
    )


async def look(check: Check, mail: Mail, kit: Tools) -> Finding:
    """What the check finds, whether it answers at once or has to wait."""
    looked = check.look(mail, kit)
    return looked if isinstance(looked, Clear | Hit | Unsure) else await looked
