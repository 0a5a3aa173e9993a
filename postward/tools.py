"""What a check is given to work with, as interfaces: DNS, DNS lists, networks, lists, clock.

State has interfaces of its own (`postward.state`). A check never opens a socket or a file itself.
Each of these returns a value; trouble is a value too (`Trouble`, or `StoreDown` from the store), so
that a check can answer `Unsure`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, Protocol, TypeVar

from postward.address import Address
from postward.lately import Lately
from postward.mail import IPAddress
from postward.state import Store

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


@dataclass(slots=True, eq=False)
class Asker:
    """For whose mail the DNS is asked: each client network has its share of the queries.

    `crowded`: an answer was refused or late because the client's own network has used up its share.
    """

    client: IPAddress | None = None
    crowded: bool = False


ASKER: ContextVar[Asker | None] = ContextVar("asker", default=None)
"""Of the message that is being judged."""


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

    async def ns(self, name: str) -> Answer[str]:
        """Name servers, lower case, without final dot, at most 10."""

    async def txt(self, name: str) -> Answer[tuple[bytes, ...]]:
        """Each record as its tuple of strings."""


# --- DNS lists -----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Listing:
    """One list that has what was asked. `score` is above zero for a block list, below for an allow list."""

    list: str
    code: str
    """The address that was answered, such as `127.0.0.2`."""
    means: str
    """What the code says, such as `SBL`."""
    score: float


@dataclass(frozen=True, slots=True)
class Listings:
    """What the DNS lists said. `unsure`: lists that could not tell, each with the reason."""

    found: tuple[Listing, ...] = ()
    unsure: tuple[str, ...] = ()


class DnsLists(Protocol):
    """The DNS lists that are switched on and have passed their test (`postward.dnslists`)."""

    def asks(self, about: str) -> bool:
        """Whether any list would be asked about that: most sites have none for most."""

    async def look(self, about: str, what: IPAddress | str) -> Listings:
        """What the lists for `about` (client | helo | rdns | sender) say of an address or domain name.

        All are asked at the same time. Never raises; private keys stand in nothing that it gives.
        """

    def verdict(self, listed: Listings, refused: bool) -> None:
        """What became of a mail for which `look` gave `listed`: for the statistics of each list."""


class NoDnsLists:
    """None is switched on."""

    def asks(self, about: str) -> bool:
        return False

    async def look(self, about: str, what: IPAddress | str) -> Listings:
        return Listings()

    def verdict(self, listed: Listings, refused: bool) -> None:
        """There is nothing to count."""


# --- Networks ------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Network:
    """The autonomous system that an address belongs to. `name` and `country` may be empty."""

    asn: int
    name: str = ""
    country: str = ""


class Networks(Protocol):
    """A local database of networks (`postward.networks`)."""

    def find(self, address: IPAddress) -> Network | None:
        """Whose address it is; None: not known, or there is no database. Never waits, never raises."""


class NoNetworks:
    """There is no database."""

    def find(self, address: IPAddress) -> Network | None:
        return None


# --- Lists and clock -----------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Entry:
    """One line of an admin's list."""

    value: str
    note: str = ""
    added: str = ""
    expires: float | None = None
    score: float | None = None
    whole: bool = False
    """The admin's word that a whole provider is meant: an AS number, or more than a /16 (IPv6: /32)."""


@dataclass(frozen=True, slots=True)
class Match:
    """An entry, and by what of the client it was found."""

    entry: Entry
    by: Literal["address", "name", "asn"]


class NamedList(Protocol):
    """An admin's list, compiled. Each verb gives the entry that matches best, or None."""

    @property
    def empty(self) -> bool:
        """Nothing can match: most sites leave most lists empty."""

    @property
    def has_names(self) -> bool:
        """Whether a domain name can match."""

    @property
    def has_systems(self) -> bool:
        """Whether it holds AS numbers."""

    def match_network(
        self, address: IPAddress | None, name: str, networks: Networks, now: float
    ) -> Match | None:
        """A client by the smallest network, then the verified name `name` (empty or `unknown`: not looked
        up), then the autonomous system."""

    def match_address(self, address: Address, now: float) -> Entry | None: ...
    def match_domain(self, domain: str, now: float) -> Entry | None: ...


class Clock(Protocol):
    def wall(self) -> float:
        """Seconds since the epoch, for what is stored and shown."""

    def monotonic(self) -> float:
        """Seconds that only ever grow, for timeouts and durations."""


@dataclass(slots=True)
class Tools:
    """The tools for one message.

    `memo` holds what was derived for it (see `once`), `client` what was derived for its client, which
    other messages of the same client may share for some seconds, `domain` the same for its client and
    the sender's domain; `personal`: what is there depends on more than that, so it serves this message
    alone. `lately` is shared by all messages.
    """

    dns: Dns
    store: Store
    clock: Clock
    lists: Mapping[str, NamedList]
    own_domains: frozenset[str] = frozenset()
    memo: dict[str, Any] = field(default_factory=dict)
    dns_lists: DnsLists = field(default_factory=NoDnsLists)
    networks: Networks = field(default_factory=NoNetworks)
    client: dict[str, Any] = field(default_factory=dict)
    lately: Lately = field(default_factory=Lately)
    asker: Asker = field(default_factory=Asker)
    domain: dict[str, Any] = field(default_factory=dict)
    personal: bool = False

    def for_message(self) -> "Tools":
        """The same tools with an empty memo."""
        return Tools(
            self.dns, self.store, self.clock, self.lists, self.own_domains, {}, self.dns_lists, self.networks,
            {}, self.lately,
        )  # fmt: skip

    async def once(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        """The result of `work()`, worked out at most once a message, however many checks ask.

        Whoever asks while the first is at it waits for the same result. A failure is given to all
        who wait and is not kept.
        """
        return await _once(self.memo, key, work)

    async def once_for_client(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        """The same for what depends on the client's addresses and names alone."""
        return await _once(self.client, key, work)

    async def once_for_domain(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        """The same for what depends on the client and the sender's domain alone (see `personal`)."""
        return await _once(self.domain, key, work)

    def made(self, key: str) -> Any:
        """What was worked out already under `key`, or None."""
        held = self.memo.get(key) or self.client.get(key) or self.domain.get(key)
        return held.value if held.__class__ is _Done else None


async def _once(memo: dict[str, Any], key: str, work: Callable[[], Awaitable[T]]) -> T:
    held = memo.get(key)
    if held is None:
        return await _first(memo, key, work)
    if isinstance(held, _UnderWay):
        return await held.wait()  # type: ignore[no-any-return]  # the memo holds many types
    return held.value  # type: ignore[no-any-return]


async def _first(memo: dict[str, Any], key: str, work: Callable[[], Awaitable[T]]) -> T:
    under_way = memo[key] = _UnderWay()
    try:
        value = await work()
    except BaseException as error:
        del memo[key]
        under_way.fail(error)
        raise
    memo[key] = _Done(value)
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
