"""What a check is given to work with, as interfaces: DNS, state, lists, clock.

A check never opens a socket or a file itself. Each of these returns a value; trouble is a value
too (`Trouble`, or `StoreDown` from the store), so that a check can answer `Unsure`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, Protocol, TypeVar

from postward.address import Address
from postward.duration import DURATION
from postward.mail import IPAddress

T = TypeVar("T")
R = TypeVar("R", covariant=True)


# --- DNS -----------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Records(Generic[R]):
    """At least one record. `ttl`: seconds this answer may still be used."""

    values: tuple[R, ...]
    ttl: int


@dataclass(frozen=True, slots=True)
class NoName:
    """NXDOMAIN: the name does not exist (RFC 8020)."""

    ttl: int


@dataclass(frozen=True, slots=True)
class NoData:
    """The name exists but has no record of this type (RFC 2308 2.2)."""

    ttl: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """No answer to trust: SERVFAIL, REFUSED, timeout, a broken packet. `why` is for the log."""

    why: str


Answer = Records[R] | NoName | NoData | Trouble


class Dns(Protocol):
    """Look-ups through one shared cache. They never raise for what the network does."""

    async def a(self, name: str) -> Answer[str]:
        """IPv4 addresses in text form."""

    async def aaaa(self, name: str) -> Answer[str]:
        """IPv6 addresses in text form."""

    async def ptr(self, address: IPAddress) -> Answer[str]:
        """Names from the reverse zone, lower case, without final dot, at most 10 (RFC 7208 4.6.4)."""

    async def mx(self, name: str) -> Answer[tuple[int, str]]:
        """(preference, exchange) pairs, sorted."""

    async def txt(self, name: str) -> Answer[tuple[bytes, ...]]:
        """Each record as its tuple of strings."""


# --- State ---------------------------------------------------------------------------------------
class StoreDown(Exception):
    """The store did not answer in time or could not: the rule's `unsure` outcome follows."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """What greylisting knows of a triplet. `passed`: it may come in; `wait`: seconds until it may."""

    passed: bool
    wait: float
    attempts: int


class Greylist(Protocol):
    async def meet(self, key: str, *, now: float, delay: float, window: float, keep: float) -> Meeting:
        """Note one delivery attempt of `key` at wall clock `now` (seconds) and say whether it may pass.

        First meeting: not passed. A retry after `delay` s and within `window` s of the first passes
        and is remembered for `keep` s after the last one. Atomic: of any number of racing first
        meetings all get the same first time.
        """


@dataclass(frozen=True, slots=True)
class Window:
    """At most `limit` in any `seconds` seconds."""

    limit: int
    seconds: Annotated[int, DURATION]


@dataclass(frozen=True, slots=True)
class Count:
    """One window after a hit: `granted` or not, `used` so far, `free_in` seconds until some is free."""

    granted: bool
    used: int
    free_in: float


class Counters(Protocol):
    async def hit(
        self, key: str, windows: tuple[Window, ...], amount: int, *, now: float, instance: str
    ) -> tuple[Count, ...]:
        """Book `amount` on `key` in all windows at once, or in none if one of them is full.

        The answer is durable before it is given. Repeating it with the same `instance` books
        nothing twice and gives the same grant.
        """


@dataclass(frozen=True, slots=True)
class Ticket:
    """A sender domain that waits for a person. `verdict`: waiting | approved | denied."""

    id: str
    domain: str
    verdict: str
    opened: float
    last_seen: float
    attempts: int
    evidence: str
    decided_by: str = ""
    note: str = ""


class Holds(Protocol):
    async def meet(self, domain: str, *, now: float, evidence: str) -> Ticket:
        """Open a ticket for `domain` or join the one that there is. Durable before the answer."""

    async def find(self, ticket_or_domain: str) -> Ticket | None:
        """The ticket with this id or for this domain."""

    async def decide(self, ticket_id: str, verdict: str, *, now: float, by: str, note: str) -> Ticket | None:
        """Approve or deny; `None` when there is no such ticket. Durable before the answer."""

    async def tickets(self, verdict: str | None = None, *, limit: int = 100) -> tuple[Ticket, ...]:
        """Newest first."""


class Store(Protocol):
    """All state that outlives a message. Verbs raise `StoreDown`, never anything of the driver."""

    @property
    def greylist(self) -> Greylist: ...
    @property
    def counters(self) -> Counters: ...
    @property
    def holds(self) -> Holds: ...


# --- Lists and clock -----------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Entry:
    """One line of an admin's list."""

    value: str
    note: str = ""
    added: str = ""
    expires: float | None = None


class NamedList(Protocol):
    """An admin's list, compiled. Each verb gives the entry that matches best, or None."""

    @property
    def empty(self) -> bool:
        """Nothing can match: most sites leave most lists empty."""

    def match_client(self, address: IPAddress | None, name: str, now: float) -> Entry | None: ...
    def match_address(self, address: Address, now: float) -> Entry | None: ...
    def match_domain(self, domain: str, now: float) -> Entry | None: ...


class Clock(Protocol):
    def wall(self) -> float:
        """Seconds since the epoch, for what is stored and shown."""

    def monotonic(self) -> float:
        """Seconds that only ever grow, for timeouts and durations."""


@dataclass(slots=True)
class Tools:
    """The tools for one message. `memo` holds what was derived for it; see `once`."""

    dns: Dns
    store: Store
    clock: Clock
    lists: Mapping[str, NamedList]
    own_domains: frozenset[str] = frozenset()
    memo: dict[str, Any] = field(default_factory=dict)

    def for_message(self) -> "Tools":
        """The same tools with an empty memo."""
        return Tools(self.dns, self.store, self.clock, self.lists, self.own_domains, {})

    async def once(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        """The result of `work()`, worked out at most once a message, however many checks ask.

        Whoever asks while the first is at it waits for the same result. A failure is given to all
        who wait and is not kept.
        """
        held = self.memo.get(key)
        if held is None:
            return await self._first(key, work)
        if isinstance(held, _UnderWay):
            return await held.wait()  # type: ignore[no-any-return]  # the memo holds many types
        return held.value  # type: ignore[no-any-return]

    def made(self, key: str) -> Any:
        """What `once` worked out already under `key`, or None."""
        held = self.memo.get(key)
        return held.value if isinstance(held, _Done) else None

    async def _first(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        under_way = self.memo[key] = _UnderWay()
        try:
            value = await work()
        except BaseException as error:
            del self.memo[key]
            under_way.fail(error)
            raise
        self.memo[key] = _Done(value)
        under_way.finish(value)
        return value


@dataclass(frozen=True, slots=True)
class _Done:
    value: Any


class _UnderWay:
    """Work that somebody began; a future is made only for those who must wait for it."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[Any]] = []

    async def wait(self) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return await future

    def finish(self, value: Any) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(value)

    def fail(self, error: BaseException) -> None:
        reason = error if isinstance(error, Exception) else LookupError(f"given up: {type(error).__name__}")
        for future in self._waiting:
            if not future.done():
                future.set_exception(reason)
