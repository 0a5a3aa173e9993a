"""Greylisting: a first attempt waits, a fair retry passes, from whichever address of a pool it comes."""

import asyncio
import ipaddress
from datetime import UTC, datetime
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
from tests.dns_zone import ZoneDns
from tests.pretend import Clock, look, tools

ALWAYS = Greylisted(auto_allow=0)


def _kit(clock: Clock, store: MemoryStore | None = None, dns: ZoneDns | None = None) -> Tools:
    kit = tools(dns, clock=clock)
    kit.store = store or MemoryStore()
    return kit


def _ask(kit: Tools, check: Greylisted = ALWAYS, **facts: Any) -> Finding:
    """What the check finds for one recipient of the message that `kit` belongs to."""
    known = {
        "client_address": ipaddress.ip_address("192.0.2.1"),
        "helo_name": "mx.example.net",
        "sender": parse("alice@example.net"),
        "recipient": parse("bob@example.org"),
        **facts,
    }
    return asyncio.run(look(check, Mail(Stage.RCPT, known), kit))


def _look(kit: Tools, check: Greylisted = ALWAYS, **facts: Any) -> Finding:
    """What it finds for a message of its own."""
    return _ask(kit.for_message(), check, **facts)


def test_a_first_attempt_waits() -> None:
    found = _look(_kit(Clock()))
    assert isinstance(found, Hit)
    assert (found.reason, found.detail) == ("wait", "network:192.0.2.0/24 attempt 1, wait 300 s")


def test_the_sender_is_told_when_to_come_back() -> None:
    found = _look(_kit(Clock(1_790_000_001.0)), Greylisted(delay=250))  # 14:13:21 UTC
    assert isinstance(found, Hit)
    assert found.values == {"wait": "250", "wait_minutes": "5", "retry_at": "2026-09-21 14:18 UTC"}


@pytest.mark.parametrize("second", [0.0, 0.01, 0.5, 59.99])
def test_no_retry_is_invited_before_the_wait_is_over(second: float) -> None:
    clock = Clock(1_790_000_040.0 + second)  # the first: at a full minute
    kit = _kit(clock)
    found = _look(kit)
    assert isinstance(found, Hit)
    told = datetime.strptime(found.values["retry_at"], "%Y-%m-%d %H:%M UTC").replace(tzinfo=UTC)
    clock.pass_by(told.timestamp() - clock.wall())
    assert isinstance(_look(kit), Clear)


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
    assert (found.values["wait"], found.values["wait_minutes"]) == ("201", "4")


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
        ({"helo_name": "other.example"}, True),
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


@pytest.mark.parametrize("part", ["greylist", "seen"])
def test_a_store_that_is_down_cannot_tell(part: str) -> None:
    async def down(*_: object, **__: object) -> Meeting:
        raise StoreDown("disk full")

    store = MemoryStore()
    store.greylist.meet = down  # type: ignore[method-assign]  # the fault under test
    if part == "seen":
        store.seen.find = down  # type: ignore[assignment, method-assign]  # as above
    assert _look(_kit(Clock(), store), Greylisted()) == Unsure("store: disk full")


def test_no_other_sender_and_recipient_count_as_these() -> None:
    kit = _kit(clock := Clock())
    _look(kit, sender=parse("a|b@example.net"), recipient=parse("c@example.org"))
    clock.pass_by(300)
    other = _look(kit, sender=parse("a"), recipient=parse("b@example.net|c@example.org"))
    assert isinstance(other, Hit)


# --- Who has passed often enough ------------------------------------------------------------------
def _pass(kit: Tools, clock: Clock, number: int, check: Greylisted) -> None:
    """One message that waits and passes: `number` makes it another one."""
    sender = parse(f"a{number}@example.net")
    assert isinstance(_look(kit, check, sender=sender), Hit)
    clock.pass_by(check.delay)
    assert isinstance(_look(kit, check, sender=sender), Clear)


def test_after_enough_passes_no_mail_of_the_client_waits() -> None:
    kit, check = _kit(clock := Clock()), Greylisted(auto_allow=5)
    for number in range(5):
        _pass(kit, clock, number, check)
    assert _look(kit, check, sender=parse("new@example.net")) == Clear(
        "network:192.0.2.0/24 has passed 5 times"
    )


def test_passes_of_ipv6_count_for_its_64_bits() -> None:
    kit, check = _kit(clock := Clock()), Greylisted(auto_allow=2)
    for number in range(2):
        sender, client = parse(f"a{number}@example.net"), ipaddress.ip_address(f"2001:db8::{number}")
        assert isinstance(_look(kit, check, sender=sender, client_address=client), Hit)
        clock.pass_by(300)
        assert isinstance(_look(kit, check, sender=sender, client_address=client), Clear)
    again = parse("new@example.net")
    near, far = ipaddress.ip_address("2001:db8::99"), ipaddress.ip_address("2001:db8:0:1::99")
    assert isinstance(_look(kit, check, sender=again, client_address=near), Clear)
    assert isinstance(_look(kit, check, sender=again, client_address=far), Hit)


def test_another_client_still_waits() -> None:
    kit, check = _kit(clock := Clock()), Greylisted(auto_allow=2)
    for number in range(2):
        _pass(kit, clock, number, check)
    assert isinstance(_look(kit, check, client_address=ipaddress.ip_address("198.51.100.1")), Hit)


def test_the_recipients_of_one_message_are_one_pass() -> None:
    kit, check = _kit(clock := Clock()), Greylisted(auto_allow=2)
    people = [parse(f"u{number}@example.org") for number in range(5)]
    first, retry = kit.for_message(), kit.for_message()
    for recipient in people:
        assert isinstance(_ask(first, check, recipient=recipient), Hit)
    clock.pass_by(300)
    for recipient in people:
        assert isinstance(_ask(retry, check, recipient=recipient), Clear)
    assert isinstance(_look(kit, check, sender=parse("new@example.net")), Hit)


def test_zero_means_that_each_of_them_waits() -> None:
    kit = _kit(clock := Clock())
    for number in range(20):
        _pass(kit, clock, number, Greylisted(auto_allow=0))


def test_a_client_is_allowed_from_its_last_message_on() -> None:
    kit, check = _kit(clock := Clock()), Greylisted(auto_allow=1)
    _pass(kit, clock, 0, check)
    clock.pass_by(3_000_000)
    assert isinstance(_look(kit, check, sender=parse("b@example.net")), Clear)
    clock.pass_by(3_000_000)
    assert isinstance(_look(kit, check, sender=parse("c@example.net")), Clear)
    clock.pass_by(3_024_001)
    assert isinstance(_look(kit, check, sender=parse("d@example.net")), Hit)


# --- Pools of addresses: each attempt comes from another /24 ---------------------------------------
POOL = [f"198.{18 + number // 200}.{number % 200}.10" for number in range(40)]


def _reverse(address: str) -> str:
    return f"{ipaddress.ip_address(address).reverse_pointer}."


def _named_pool() -> ZoneDns:
    """Each address has a name of its own below one domain, and it resolves back."""
    lines = []
    for number, address in enumerate(POOL):
        lines += [
            f"{_reverse(address)} PTR out{number}.pool.example.",
            f"out{number}.pool.example. A {address}",
        ]
    return ZoneDns("\n".join(lines))


def _spf_pool() -> ZoneDns:
    """No address has a name; the sender's domain names them all."""
    return ZoneDns('example.net. TXT "v=spf1 ip4:198.18.0.0/16 -all"')


def _generic_pool() -> ZoneDns:
    """The names of a provider's lines: they verify, and say nothing about who sends."""
    lines = []
    for address in POOL:
        name = f"dyn-{address.replace('.', '-')}.isp.example."
        lines += [f"{_reverse(address)} PTR {name}", f"{name} A {address}"]
    return ZoneDns("\n".join(lines))


def _delivered_after(dns: ZoneDns, gap: float = 600.0) -> float | None:
    """Seconds until a message passes whose every attempt, `gap` s apart, comes from the next address."""
    clock = Clock()
    kit, began = _kit(clock, dns=dns), clock.wall()
    for address in POOL:
        found = _look(kit, client_address=ipaddress.ip_address(address), helo_name="out.pool.example")
        if isinstance(found, Clear):
            return clock.wall() - began
        clock.pass_by(gap)
    return None


@pytest.mark.parametrize("dns", [_named_pool, _spf_pool], ids=["verified names", "SPF"])
def test_a_pool_passes_at_its_first_fair_retry(dns: Any) -> None:
    assert _delivered_after(dns()) == 600


@pytest.mark.parametrize(
    "dns",
    [_generic_pool, lambda: ZoneDns('example.net. TXT "v=spf1 +all"'), ZoneDns],
    ids=["generic names", "+all", "nothing"],
)
def test_bots_all_over_the_world_are_no_pool(dns: Any) -> None:
    assert _delivered_after(dns()) is None


def test_neighbours_without_names_are_a_pool() -> None:
    kit = _kit(clock := Clock())
    _look(kit, client_address=ipaddress.ip_address("192.0.2.1"))
    clock.pass_by(600)
    assert isinstance(_look(kit, client_address=ipaddress.ip_address("192.0.2.77")), Clear)


def test_the_name_of_a_pool_is_not_asked_for_by_spf() -> None:
    dns = _named_pool()
    _look(_kit(Clock(), dns=dns), client_address=ipaddress.ip_address(POOL[0]))
    assert not [query for query in dns.queries if query[0] == "TXT"]
