"""Look-ups for the whole process: one cache, one query for all who ask the same, bounded in all ways.

`Resolver` implements `postward.tools.Dns`. It is a stub resolver: it asks recursive servers, a
local one best. What is in the cache is answered without a wait.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from postward.dns import wire
from postward.dns.cache import Cache, Key
from postward.dns.shares import Network, Shares, network_of
from postward.dns.transport import Server, exchange
from postward.mail import IPAddress
from postward.tools import ASKER, Answer, Clock, NoName, Records, Trouble

IN_FLIGHT = 200
"""Queries at the servers at the same time; each holds a socket."""
WAITING = 5_000
"""Queries that may wait for their turn; who comes later gets `Trouble` (THREATS D5)."""
_MAX_HOPS = 8
_IMPOSSIBLE = NoName(wire.MAX_NAME)


class Resolver:
    """Asks `servers` in turn, the one that answered last first.

    `timeout`: seconds for one query at one server; `attempts`: queries for one look-up in all;
    `cache_size`: entries. Belongs to one event loop.
    """

    def __init__(
        self, servers: Sequence[Server], timeout: float, attempts: int, cache_size: int, clock: Clock
    ) -> None:
        if not servers:
            raise ValueError("a resolver needs a server")
        self._servers = tuple(servers)
        self._first = 0
        self._timeout = timeout
        self._attempts = attempts
        self._cache = Cache(cache_size, clock.monotonic)
        self._under_way: dict[Key, asyncio.Task[Answer[Any]]] = {}
        self._shares = Shares(IN_FLIGHT, IN_FLIGHT + WAITING)

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
        return await self._shared(key, wire.PTR, name)

    async def close(self) -> None:
        """Give up what is under way; whoever waits for it is cancelled too."""
        tasks = list(self._under_way.values())
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
        return await self._shared((kind, plain), kind, wire_name)

    async def _shared(self, key: Key, kind: int, name: bytes) -> Answer[Any]:
        """Join the query for `key` or begin it. It goes on when this asker is cancelled."""
        task = self._under_way.get(key)
        if task is None:
            network = network_of(ASKER.get())
            if refusal := self._shares.refusal(network):
                return Trouble(refusal)
            self._shares.take(network)
            task = asyncio.get_running_loop().create_task(self._fetch(key, kind, name, network))
            self._under_way[key] = task
        return await asyncio.shield(task)

    async def _fetch(self, key: Key, kind: int, name: bytes, network: Network) -> Answer[Any]:
        try:
            async with self._shares.slot(network):
                answer = await self._follow(kind, name)
            return self._cache.put(key, answer)
        finally:
            del self._under_way[key]

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
            except (OSError, wire.BadReply) as error:
                why = str(error)
            else:
                if not isinstance(result, Trouble):
                    self._first = turn
                    return result
                why = result.why
                if len(self._servers) == 1:
                    break  # it has already tried all it could
        return Trouble(why)
