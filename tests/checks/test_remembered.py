"""Automatic lists: who was put there by a rule."""

import asyncio
import ipaddress
from typing import Any

import pytest

from postward.checks.remembered import Remembered
from postward.finding import CLEAR, Finding, Hit, Unsure
from postward.mail import Mail
from postward.stage import Stage
from postward.state import Sighting, StoreDown
from postward.store.memory import MemoryStore
from postward.tools import Tools
from tests.pretend import Clock, look, tools


def _kit(clock: Clock | None = None, times: int = 2) -> Tools:
    """192.0.2.7 was trapped."""
    kit = tools(clock=clock or Clock())
    kit.store = MemoryStore()
    for _ in range(times):
        for what in ("192.0.2.7", "192.0.2.0/24"):
            kit.store.seen.note(f"listed trapped|{what}", now=kit.clock.wall(), keep=100, value="spam-trap")
    return kit


def _look(client: str | None, kit: Tools | None = None, **options: Any) -> Finding:
    mail = Mail(Stage.CONNECT, {"client_address": ipaddress.ip_address(client) if client else None})
    return asyncio.run(look(Remembered("trapped", **options), mail, kit or _kit()))


def test_a_client_on_the_list_is_told_by_which_rule() -> None:
    found = _look("192.0.2.7")
    assert found == Hit(
        "listed",
        "trapped: 192.0.2.7, 2 times, by spam-trap",
        {"listed_by": "spam-trap", "listed_times": "2"},
    )


@pytest.mark.parametrize("client", ["192.0.2.8", "2001:db8::1", None])
def test_others_are_not_on_it(client: str | None) -> None:
    assert _look(client) == CLEAR


@pytest.mark.parametrize(("client", "hits"), [("2001:db8::ffff", True), ("2001:db8:0:1::1", False)])
def test_a_client_of_ipv6_is_its_64_bits(client: str, hits: bool) -> None:
    kit = _kit()
    kit.store.seen.note("listed trapped|2001:db8::/64", now=kit.clock.wall(), keep=100, value="spam-trap")
    for of in ("client", "network"):
        assert isinstance(_look(client, kit, of=of), Hit) is hits


def test_a_network_is_asked_for_any_of_its_clients() -> None:
    assert isinstance(_look("192.0.2.8", of="network"), Hit)
    assert _look("192.0.3.7", of="network") == CLEAR


@pytest.mark.parametrize(("times", "hits"), [(1, True), (2, True), (3, False)])
def test_it_must_have_been_put_there_so_often(times: int, hits: bool) -> None:
    assert isinstance(_look("192.0.2.7", times=times), Hit) is hits


def test_its_time_ends() -> None:
    kit = _kit(clock := Clock())
    clock.pass_by(101)
    assert _look("192.0.2.7", kit) == CLEAR


def test_another_list_is_another_one() -> None:
    mail = Mail(Stage.CONNECT, {"client_address": ipaddress.ip_address("192.0.2.7")})
    assert asyncio.run(look(Remembered("guessers"), mail, _kit())) == CLEAR


def test_a_store_that_is_down_cannot_tell() -> None:
    async def down(key: str, *, now: float) -> Sighting | None:
        raise StoreDown("disk full")

    kit = _kit()
    kit.store.seen.find = down  # type: ignore[method-assign]  # the fault under test
    assert _look("192.0.2.7", kit) == Unsure("store: disk full")
