"""Who may have how many queries under way: a client with slow zones must not use up all of them.

A client network is a /24 (IPv4) or a /48 (IPv6), what one owner usually has. Look-ups that are for
no client, such as tests of lists, are bounded by the whole only (THREATS D5).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from postward.mail import IPAddress

_PART = 4
"""One network has at most a quarter of all."""

Network = tuple[int, int] | None
"""(4 or 6, the first 24 or 48 bits), `None` for nobody."""


def network_of(client: IPAddress | None) -> Network:
    """The network whose share a client uses."""
    if client is None:
        return None
    return client.version, int(client) >> (8 if client.version == 4 else 80)


class Shares:
    """`in_flight` queries at the servers at the same time; with those that wait, `in_all` at most."""

    def __init__(self, in_flight: int, in_all: int) -> None:
        self._slots = asyncio.Semaphore(in_flight)
        self._in_flight = in_flight
        self._in_all = in_all
        self._held = 0
        self._by_network: dict[Network, _Share] = {}

    def refusal(self, network: Network) -> str:
        """Why one more query of `network` cannot be taken on; empty if it can."""
        if self._held >= self._in_all:
            return "too many queries under way"
        share = self._by_network.get(network)
        if network is not None and share is not None and share.held >= max(self._in_all // _PART, 1):
            return "too many queries under way for one client network"
        return ""

    def take(self, network: Network) -> None:
        """Count one query that begins, in its turn; `slot` ends it."""
        share = self._by_network.get(network)
        if share is None:
            part = self._in_flight if network is None else max(self._in_flight // _PART, 1)
            share = self._by_network[network] = _Share(part)
        share.held += 1
        self._held += 1

    @asynccontextmanager
    async def slot(self, network: Network) -> AsyncIterator[None]:
        """Wait for the turn of a query that was taken on, and give its place back at the end."""
        share = self._by_network[network]
        try:
            # Its own share first: who waits for that keeps nobody else from the servers.
            async with share.slots, self._slots:
                yield
        finally:
            self._held -= 1
            share.held -= 1
            if not share.held:
                del self._by_network[network]


class _Share:
    """What one network has under way."""

    __slots__ = ("held", "slots")

    def __init__(self, in_flight: int) -> None:
        self.held = 0
        self.slots = asyncio.Semaphore(in_flight)
