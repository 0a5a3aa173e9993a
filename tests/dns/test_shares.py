"""Who has its turn when all must wait."""

import asyncio
import ipaddress

import pytest

from postward.dns.shares import NoPlace, Place, Shares
from tests.pretend import Clock


def _place(shares: Shares, client: str) -> Place:
    return shares.place(ipaddress.ip_address(client), "")


def test_networks_have_their_turns_in_rotation() -> None:
    async def main() -> list[str]:
        shares, order = Shares(8, 80, Clock().monotonic), list[str]()

        async def ask(client: str) -> None:
            place = _place(shares, client)
            await place.turn()
            order.append(client)
            await asyncio.sleep(0)
            place.leave()

        busy = [_place(shares, f"198.51.{net}.{host}") for net in range(4) for host in range(2)]
        assert all(place.hurry() for place in busy)
        waiting = []
        for client in ("192.0.2.1", "192.0.2.2", "203.0.113.1"):
            waiting.append(asyncio.create_task(ask(client)))
            await asyncio.sleep(0)
        busy[0].leave()
        await asyncio.gather(*waiting)
        return order

    assert asyncio.run(main()) == ["192.0.2.1", "203.0.113.1", "192.0.2.2"]


def test_what_all_have_used_up_is_not_the_askers_own_doing() -> None:
    shares = Shares(1, 1, Clock().monotonic)
    _place(shares, "192.0.2.1")
    with pytest.raises(NoPlace) as full:
        _place(shares, "203.0.113.1")
    assert not full.value.own
    with pytest.raises(NoPlace) as full:
        _place(shares, "192.0.2.1")
    assert full.value.own


def test_a_place_that_is_left_twice_is_given_back_once() -> None:
    shares = Shares(1, 2, Clock().monotonic)
    first = _place(shares, "192.0.2.1")
    assert first.hurry()
    first.leave()
    first.leave()
    assert _place(shares, "203.0.113.1").hurry()
    assert not _place(shares, "198.51.100.1").hurry()
