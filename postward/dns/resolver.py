"""Look-ups for the whole process: one cache, one query for all who ask the same, bounded in all ways.

`Resolver` implements `postward.tools.Dns`. It is a stub resolver: it asks recursive servers, a
local one best. What is in the cache is answered without a wait.
"""

import asyncio
from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

from postward.dns import wire
from postward.dns.cache import Cache, Key
from postward.dns.reader import MAX_NAME, BadReply
from postward.dns.shares import Network, NoPlace, Place, Shares, network_of
from postward.dns.transport import Server, exchange
from postward.mail import IPAddress
from postward.tools import ASKER, Answer, Asker, Clock, NoName, Records, Trouble

IN_FLIGHT = 200
"""Queries at the servers at the same time; each holds a socket."""
WAITING = 5_000
"""Queries that may wait for their turn; who comes later gets `Trouble` (THREATS D5)."""
APART = 2
"""Names of clients, and what asks `apart`, have half of these numbers for themselves."""
LONG = 0.5
"""Seconds. Who waits longer than that for the queries of its own network has too many of them."""
_MAX_HOPS = 8
_IMPOSSIBLE = NoName(MAX_NAME)


def last_two(name: str) -> str:
    """The last two labels of a name: nearly always what one owner has."""
    return ".".join(name.rsplit(".", 2)[-2:])


class Resolver:
    """Asks `servers` in turn, the one that answered last first.

    `timeout`: seconds for one query at one server; `attempts`: queries for one look-up in all;
    `cache_size`: entries; `org`: what one owner has of a name. Belongs to one event loop.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        timeout: float,
        attempts: int,
        cache_size: int,
        clock: Clock,
        org: Callable[[str], str] = last_two,
    ) -> None:
        if not servers:
            raise ValueError("a resolver needs a server")
        self._servers = tuple(servers)
        self._first = 0
        self._timeout = timeout
        self._attempts = attempts
        self._cache = Cache(cache_size, clock.monotonic)
        self._asked: dict[Key, _Flight] = {}
        self._queued: dict[Queued, _Flight] = {}
        self._clock = clock
        self._org = org
        self._names = Shares(IN_FLIGHT, IN_FLIGHT + WAITING, clock.monotonic)
        self._reverse = self._lane()

    def _lane(self) -> Shares:
        return Shares(IN_FLIGHT // APART, (IN_FLIGHT + WAITING) // APART, self._clock.monotonic)

    def apart(self) -> "Resolver":
        """The same resolver and cache, but not the same queue: for DNS lists, so that a client cannot
        keep itself from being looked up in them by names of its own that take long."""
        other = copy(self)
        other._names = self._lane()
        other._org = _of_nobody
        return other

    async def a(self, name: str) -> Answer[str]:
        return self._cache.get((wire.A, name)) or await self._look_up(wire.A, name)

    async def aaaa(self, name: str) -> Answer[str]:
        return self._cache.get((wire.AAAA, name)) or await self._look_up(wire.AAAA, name)

    async def mx(self, name: str) -> Answer[tuple[int, str]]:
        return self._cache.get((wire.MX, name)) or await self._look_up(wire.MX, name)

    async def ns(self, name: str) -> Answer[str]:
        return self._cache.get((wire.NS, name)) or await self._look_up(wire.NS, name)

    async def txt(self, name: str) -> Answer[tuple[bytes, ...]]:
        return self._cache.get((wire.TXT, name)) or await self._look_up(wire.TXT, name)

    async def ptr(self, address: IPAddress) -> Answer[str]:
        key: Key = (address.version, int(address))
        held = self._cache.get(key)
        if held is not None:
            return held
        name = wire.encode_name(address.reverse_pointer)
        assert name is not None
        return await self._shared(key, wire.PTR, name, self._reverse, "")

    async def close(self) -> None:
        """Give up what is under way; whoever waits for it is cancelled too."""
        tasks = [each.task for each in (*self._asked.values(), *self._queued.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look_up(self, kind: int, name: str) -> Answer[Any]:
        """The name was not in the cache as it is written; perhaps it is in lower case."""
        plain = name.removesuffix(".").lower()
        if plain != name:
            held = self._cache.get((kind, plain))
            if held is not None:
                return held
        wire_name = wire.encode_name(plain)
        if wire_name is None:
            return _IMPOSSIBLE
        return await self._shared((kind, plain), kind, wire_name, self._names, self._org(plain))

    async def _shared(self, key: Key, kind: int, name: bytes, shares: Shares, zone: str) -> Answer[Any]:
        """Join the query for `key` or begin it."""
        asker = ASKER.get()
        client = asker.client if asker is not None else None
        queued: Queued = key, network_of(client), shares
        flight = self._asked.get(key) or self._queued.get(queued)
        if flight is None:
            try:
                place = shares.place(client, zone)
            except NoPlace as full:
                if full.own and asker is not None:
                    asker.crowded = True
                return Trouble(str(full))
            flight = self._begin(key, kind, name, place, queued)
        return await self._joined(flight, asker)

    def _begin(self, key: Key, kind: int, name: bytes, place: Place, queued: "Queued") -> "_Flight":
        """Nobody waits with another network's query: only what is at the servers is shared by all."""
        flight = _Flight(key, queued, place)
        if place.hurry():
            self._asked[key] = flight
        else:
            self._queued[queued] = flight
        flight.task = asyncio.get_running_loop().create_task(self._fetch(flight, kind, name))
        flight.task.add_done_callback(lambda _: self._end(flight))
        return flight

    async def _joined(self, flight: "_Flight", asker: Asker | None) -> Answer[Any]:
        """The answer. A query that nobody waits for any more is given up."""
        flight.askers += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.askers -= 1
            if asker is not None and flight.place.waited > LONG:
                asker.crowded = True
            if not flight.askers and not flight.task.done():
                flight.task.cancel()
                self._end(flight)

    async def _fetch(self, flight: "_Flight", kind: int, name: bytes) -> Answer[Any]:
        if self._asked.get(flight.key) is not flight:
            await flight.place.turn()
            held = self._cache.get(flight.key)
            if held is not None:  # somebody else has asked meanwhile
                return held
            self._queued.pop(flight.queued, None)
            self._asked[flight.key] = flight
        return self._cache.put(flight.key, await self._follow(kind, name))

    def _end(self, flight: "_Flight") -> None:
        """Nobody can join it any more, and its place is free. May be told twice."""
        flight.place.leave()
        if self._asked.get(flight.key) is flight:
            del self._asked[flight.key]
        if self._queued.get(flight.queued) is flight:
            del self._queued[flight.queued]

    async def _follow(self, kind: int, name: bytes) -> Answer[Any]:
        """Ask, and ask on where a server leaves the target of a CNAME to us."""
        ttl = 2**31 - 1
        for _ in range(_MAX_HOPS):
            result = await self._ask_around(kind, name)
            if not isinstance(result, wire.Alias):
                if isinstance(result, Records):
                    return Records(result.values, min(ttl, result.ttl))
                return result
            name, ttl = result.target, min(ttl, result.ttl)
        return Trouble("CNAME chain too long")

    async def _ask_around(self, kind: int, name: bytes) -> Answer[Any] | wire.Alias:
        """Ask until a server knows: the next one after silence, garbage, SERVFAIL or REFUSED."""
        start, why = self._first, ""
        for attempt in range(self._attempts):
            turn = (start + attempt) % len(self._servers)
            try:
                reply = await exchange(self._servers[turn], name, kind, self._timeout)
                result = wire.read(reply, kind)
            except TimeoutError:
                why = f"no answer in {self._timeout:g} s"
            except (OSError, BadReply) as error:
                why = str(error)
            else:
                if not isinstance(result, Trouble):
                    self._first = turn
                    return result
                why = result.why
                if len(self._servers) == 1:
                    break  # it has already tried all it could
        return Trouble(why)


Queued = tuple[Key, Network, Shares]
"""What is asked, for which network, in which queue."""


class _Flight:
    """One query, in the queue or at the servers, and how many wait for it."""

    __slots__ = ("askers", "key", "place", "queued", "task")
    task: asyncio.Task[Answer[Any]]

    def __init__(self, key: Key, queued: Queued, place: Place) -> None:
        self.key = key
        self.queued = queued
        self.place = place
        self.askers = 0


def _of_nobody(_: str) -> str:
    """The zones of DNS lists are few, and asked for all the time."""
    return ""
