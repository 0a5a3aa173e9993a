"""Greylisting: a first attempt waits, a fair retry passes."""

import asyncio
import ipaddress
from typing import Any

import pytest

from postward.address import parse
from postward.checks.greylist import Greylisted
from postward.finding import Clear, Finding, Hit, Unsure
from postward.mail import Mail
from postward.stage import Stage
from postward.state import Meeting, StoreDown
from postward.store.memory import MemoryStore
from postward.tools import Tools
from tests.pretend import Clock, look, tools


def _kit(clock: Clock, store: MemoryStore | None = None) -> Tools:
    kit = tools(clock=clock)
    kit.store = store or MemoryStore()
    return kit


def _look(kit: Tools, check: Greylisted = Greylisted(), **facts: Any) -> Finding:  # noqa: B008  # frozen
    known = {
        "client_address": ipaddress.ip_address("192.0.2.1"),
        "sender": parse("alice@example.net"),
        "recipient": parse("bob@example.org"),
        **facts,
    }
    return asyncio.run(look(check, Mail(Stage.RCPT, known), kit))


def test_a_first_attempt_waits() -> None:
    found = _look(_kit(Clock()))
    assert found == Hit("wait", "attempt 1, wait 300 s", {"wait": "300"})


@pytest.mark.parametrize(("after", "passes"), [(1, False), (299, False), (300, True), (172_800, True)])
def test_a_retry_passes_after_the_delay(after: float, passes: bool) -> None:
    clock = Clock()
    kit = _kit(clock)
    _look(kit)
    clock.pass_by(after)
    assert isinstance(_look(kit), Clear) is passes


def test_a_retry_is_told_how_long_it_still_has_to_wait() -> None:
    clock = Clock()
    kit = _kit(clock)
    _look(kit)
    clock.pass_by(99.5)
    found = _look(kit)
    assert isinstance(found, Hit)
    assert found.values == {"wait": "201"}


def test_a_retry_that_comes_too_late_is_a_first_attempt() -> None:
    clock = Clock()
    kit = _kit(clock)
    _look(kit)
    clock.pass_by(172_801)
    assert isinstance(_look(kit), Hit)


def test_a_pass_is_remembered_from_its_last_use() -> None:
    clock = Clock()
    kit = _kit(clock)
    _look(kit)
    for seconds in (300, 3_000_000, 3_000_000):
        clock.pass_by(seconds)
        assert isinstance(_look(kit), Clear)
    clock.pass_by(3_024_001)
    assert isinstance(_look(kit), Hit)


def test_the_options_are_used() -> None:
    clock = Clock()
    kit, check = _kit(clock), Greylisted(delay=10, window=60, keep=60)
    assert isinstance(_look(kit, check), Hit)
    clock.pass_by(10)
    assert isinstance(_look(kit, check), Clear)
    clock.pass_by(61)
    assert isinstance(_look(kit, check), Hit)


@pytest.mark.parametrize(
    ("facts", "known"),
    [
        ({"client_address": ipaddress.ip_address("192.0.2.200")}, True),
        ({"client_address": ipaddress.ip_address("192.0.3.1")}, False),
        ({"sender": parse("ALICE@Example.net")}, True),
        ({"sender": parse("carol@example.net")}, False),
        ({"recipient": parse("BOB@example.org")}, True),
        ({"recipient": parse("dave@example.org")}, False),
        ({"sender": parse("<>")}, False),
    ],
)
def test_what_makes_the_same_delivery(facts: dict[str, Any], known: bool) -> None:
    clock = Clock()
    kit = _kit(clock)
    _look(kit)
    clock.pass_by(300)
    assert isinstance(_look(kit, **facts), Clear) is known


def test_a_network_of_ipv6_is_64_bits() -> None:
    clock = Clock()
    kit = _kit(clock)
    _look(kit, client_address=ipaddress.ip_address("2001:db8::1"))
    clock.pass_by(300)
    assert isinstance(_look(kit, client_address=ipaddress.ip_address("2001:db8::ffff:2")), Clear)
    assert isinstance(_look(kit, client_address=ipaddress.ip_address("2001:db8:0:1::1")), Hit)


def test_mail_from_this_host_never_waits() -> None:
    assert isinstance(_look(_kit(Clock()), client_address=None), Clear)


def test_a_store_that_is_down_cannot_tell() -> None:
    async def down(*_: object, **__: object) -> Meeting:
        raise StoreDown("disk full")

    store = MemoryStore()
    store.greylist.meet = down  # type: ignore[method-assign]  # the fault under test
    assert _look(_kit(Clock(), store)) == Unsure("store: disk full")


def test_no_other_sender_and_recipient_count_as_these() -> None:
    kit = _kit(clock := Clock())
    _look(kit, sender=parse("a|b@example.net"), recipient=parse("c@example.org"))
    clock.pass_by(300)
    other = _look(kit, sender=parse("a"), recipient=parse("b@example.net|c@example.org"))
    assert isinstance(other, Hit)
