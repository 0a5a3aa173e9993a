"""Who may have how many queries under way: a client with slow zones must not use up all of them.

A client (IPv6: a /64) has at most half of what its network has, a client network (a /24 or /48, what
one owner usually has) at most a quarter of all, and what a network asks of one zone at most a third of
its part: zones that never answer then keep nobody else waiting, and hardly their own asker. Where all
must wait, the networks have their turns in rotation. Look-ups
that are for no client, such as tests of lists, are bounded by the whole only (THREATS D5).
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Sequence

from postward.mail import IPAddress

_NETWORK_PART = 4
_CLIENT_PART = 2 * _NETWORK_PART
_ZONE_PART = 3 * _NETWORK_PART

Network = tuple[int, int] | None
"""(4 or 6, the first 24 or 48 bits), `None` for nobody."""


def network_of(client: IPAddress | None) -> Network:
    """The network whose share a client uses."""
    if client is None:
        return None
    return client.version, int(client) >> (8 if client.version == 4 else 80)


class Shares:
    """`in_flight` queries at the servers at the same time; with those that wait, `in_all` at most.

    `now`: monotonic seconds.
    """

    def __init__(self, in_flight: int, in_all: int, now: Callable[[], float]) -> None:
        self._in_flight = in_flight
        self._in_all = in_all
        self._now = now
        self._shares: dict[Hashable, _Share] = {}

    def place(self, client: IPAddress | None, zone: str) -> "Place":
        """A place for one more query about `zone` (empty: the zone does not matter). Raises `NoPlace`."""
        network = network_of(client)
        shares: list[_Share] = []
        if client is not None:
            host = client.version, int(client) >> (0 if client.version == 4 else 64)
            if zone:
                shares.append(self._share((network, zone), _ZONE_PART, _NETWORK_PART))
            shares.append(self._share(("host", host), _CLIENT_PART, _CLIENT_PART))
            shares.append(self._share(network, _NETWORK_PART, _NETWORK_PART))
        own = len(shares)
        if zone:
            shares.append(self._share(("zone", zone), _NETWORK_PART, 1))
        shares.append(self._share("all", 1, 1))
        full = next((number for number, share in enumerate(shares) if share.is_full), None)
        if full is not None:
            raise NoPlace(own=full < own)
        for share in shares:
            share.held += 1
            self._shares[share.key] = share
        return Place(shares, own, network, self._now, self._shares)

    def _share(self, key: Hashable, part: int, part_of_all: int) -> "_Share":
        share = self._shares.get(key)
        if share is None:
            share = _Share(key, max(self._in_flight // part, 1), max(self._in_all // part_of_all, 1))
        return share


class NoPlace(Exception):
    """Too many queries are under way. `own`: those of the asker's own network."""

    def __init__(self, *, own: bool) -> None:
        super().__init__(
            "your network has too many queries under way" if own else "too many queries under way"
        )
        self.own = own


class Place:
    """The place of one query; to be left when the query ends, in whatever way."""

    def __init__(
        self,
        shares: Sequence["_Share"],
        own: int,
        network: Network,
        now: Callable[[], float],
        all_shares: dict[Hashable, "_Share"],
    ) -> None:
        self._queues = shares
        self._own = own
        self._network = network
        self._now = now
        self._shares = all_shares
        self._taken = 0
        self._since = now()
        self._waited = -1.0 if own else 0.0

    @property
    def waited(self) -> float:
        """Seconds for which the query waited for others of its own network, so far."""
        return self._now() - self._since if self._waited < 0 else self._waited

    def hurry(self) -> bool:
        """Take the turn if it has come, without a wait."""
        for share in self._queues[self._taken :]:
            if not share.take():
                return False
            self._step()
        return True

    async def turn(self) -> None:
        """Wait for the turn. What the own network has under way comes first: it keeps nobody else waiting."""
        for share in self._queues[self._taken :]:
            if not share.take():
                await share.wait(self._network)
            self._step()

    def _step(self) -> None:
        self._taken += 1
        if self._taken == self._own:
            self._waited = self._now() - self._since

    def leave(self) -> None:
        """Let the next ones have their turn."""
        for number, share in enumerate(self._queues):
            if number < self._taken:
                share.give()
            share.held -= 1
            if not share.held:
                del self._shares[share.key]
        self._taken, self._queues = 0, ()


class _Share:
    """What one asker or zone has: `free` turns, and `held` queries, those that wait too."""

    __slots__ = ("_free", "_most_held", "_waiting", "held", "key")

    def __init__(self, key: Hashable, in_flight: int, in_all: int) -> None:
        self.key = key
        self.held = 0
        self._free = in_flight
        self._most_held = in_all
        self._waiting: OrderedDict[Network, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def is_full(self) -> bool:
        return self.held >= self._most_held

    def take(self) -> bool:
        """A turn, if one is free: then nobody waits."""
        if not self._free:
            return False
        self._free -= 1
        return True

    async def wait(self, network: Network) -> None:
        """Until somebody gives a turn to us: the networks that wait have theirs in rotation."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(network, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give()  # it was given to us in the very moment that we left
            raise

    def give(self) -> None:
        """Hand a turn on to the next network, and there to whoever waits longest."""
        while self._waiting:
            network, turns = self._waiting.popitem(last=False)
            turn = turns.popleft()
            if turns:
                self._waiting[network] = turns
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
