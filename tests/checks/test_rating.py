"""The check of ratings: from which points on, and what they weigh."""

import asyncio
import ipaddress
from typing import Any

import pytest

from postward.address import parse
from postward.checks.rating import Rated
from postward.finding import CLEAR, Finding, Hit, Unsure
from postward.mail import Mail
from postward.stage import Stage
from postward.state import Rating, StoreDown
from postward.store.memory import MemoryStore
from postward.tools import Tools
from tests.dns_zone import ZoneDns
from tests.pretend import Clock, look, tools

ZONE = """
7.2.0.192.in-addr.arpa. PTR mx.example.net.
mx.example.net.         A   192.0.2.7
"""


def _kit(points: dict[str, float], times: int = 5, **dns: Any) -> Tools:
    """Each key has these points, told in so many events."""
    kit = tools(ZoneDns(ZONE, **dns), clock=Clock())
    kit.store = MemoryStore()
    for key, value in points.items():
        for _ in range(times):
            kit.store.ratings.note((key,), value / times, now=kit.clock.wall(), reason="")
    return kit


def _look(check: Rated, kit: Tools, **facts: Any) -> Finding:
    known = {
        "client_address": ipaddress.ip_address("192.0.2.7"),
        "helo_name": "mx.example.net",
        "sender": parse("a@example.net"),
        "sasl_username": "",
        **facts,
    }
    mail = Mail(Stage.MAIL, {name: fact for name, fact in known.items() if name in check.needs})
    return asyncio.run(look(check, mail, kit.for_message()))


@pytest.mark.parametrize(("points", "hits"), [(-3.9, False), (-4, True), (-20, True), (9, False)])
def test_a_bad_record_hits_from_its_points_on(points: float, hits: bool) -> None:
    found = _look(Rated("client", below=-4), _kit({"client:192.0.2.7": points}))
    assert isinstance(found, Hit) is hits


@pytest.mark.parametrize(("points", "hits"), [(3.9, False), (4, True), (-9, False)])
def test_a_good_record_hits_from_its_points_on(points: float, hits: bool) -> None:
    found = _look(Rated("client", above=4), _kit({"client:192.0.2.7": points}))
    assert isinstance(found, Hit) is hits


@pytest.mark.parametrize(
    ("check", "points", "score"),
    [
        (Rated("client", below=-4), -5, 2.5),
        (Rated("client", below=-4), -50, 4),
        (Rated("client", below=-4, weight=1, most=6), -5, 5),
        (Rated("client", above=4), 5, -2.5),
        (Rated("client", above=4), 50, -4),
    ],
)
def test_the_score_grows_with_the_points_up_to_a_bound(check: Rated, points: float, score: float) -> None:
    found = _look(check, _kit({"client:192.0.2.7": points}))
    assert isinstance(found, Hit)
    assert found.score == pytest.approx(score, abs=0.01)


def test_texts_are_told_what_it_rests_on() -> None:
    kit = _kit({})
    for _ in range(5):
        kit.store.ratings.note(("network:192.0.2.0/24",), -2.0, now=kit.clock.wall(), reason="rule x\x1b")
    found = _look(Rated("network", below=-4), kit)
    assert isinstance(found, Hit)
    assert found.values["rating"] == "-10.0"
    assert found.values["rating_of"] == "network:192.0.2.0/24"
    assert found.values["rating_reason"].startswith("rule x")
    assert "\x1b" not in found.values["rating_reason"]
    assert found.detail.startswith("network:192.0.2.0/24 -10.0, 5 samples: rule x")


def test_few_events_do_not_count() -> None:
    assert _look(Rated("client", below=-4), _kit({"client:192.0.2.7": -40}, times=4)) == CLEAR


@pytest.mark.parametrize(("times", "hits"), [(4, False), (5, True)])
def test_five_events_count_though_they_fade_at_once(times: int, hits: bool) -> None:
    kit, clock = _kit({}), Clock()
    kit.clock = clock
    for _ in range(times):
        kit.store.ratings.note(("client:192.0.2.7",), -4.0, now=clock.wall(), reason="")
        clock.pass_by(3_600)
    assert isinstance(_look(Rated("client", below=-4), kit), Hit) is hits


@pytest.mark.parametrize(("client", "hits"), [("2001:db8::ffff:1", True), ("2001:db8:0:1::1", False)])
def test_a_client_of_ipv6_is_its_64_bits(client: str, hits: bool) -> None:
    kit = _kit({"client:2001:db8::/64": -8})
    found = _look(Rated("client", below=-4), kit, client_address=ipaddress.ip_address(client))
    assert isinstance(found, Hit) is hits


def test_what_a_person_set_counts_at_once() -> None:
    kit = _kit({})
    asyncio.run(
        kit.store.ratings.set("client:192.0.2.7", -8, now=kit.clock.wall(), by="carol", reason="bought")
    )
    found = _look(Rated("client", below=-4), kit)
    assert isinstance(found, Hit)
    assert found.detail == "client:192.0.2.7 -8.0, set by a person: bought"


@pytest.mark.parametrize(
    ("of", "key"),
    [
        ("client", "client:192.0.2.7"),
        ("network", "network:192.0.2.0/24"),
        ("host", "host:example.net"),
        ("domain", "domain:example.net"),
        ("login", "login:alice"),
    ],
)
def test_each_kind_has_its_own_record(of: Any, key: str) -> None:
    keys = [
        "client:192.0.2.7",
        "network:192.0.2.0/24",
        "host:example.net",
        "domain:example.net",
        "login:alice",
    ]
    only, others = _kit({key: -8}), _kit({each: -8 for each in keys if each != key})
    assert isinstance(_look(Rated(of, below=-4), only, sasl_username="alice"), Hit)
    assert _look(Rated(of, below=-4), others, sasl_username="alice") == CLEAR


def test_any_takes_the_one_that_is_farthest_out() -> None:
    kit = _kit({"client:192.0.2.7": 8, "network:192.0.2.0/24": -5, "host:example.net": -9})
    bad, good = _look(Rated("any", below=-4), kit), _look(Rated("any", above=4), kit)
    assert isinstance(bad, Hit)
    assert isinstance(good, Hit)
    assert (bad.values["rating_of"], good.values["rating_of"]) == ("host:example.net", "client:192.0.2.7")


def test_who_has_logged_in_answers_for_the_login_alone() -> None:
    kit = _kit({"client:192.0.2.7": -8})
    assert isinstance(_look(Rated("any", below=-4), kit), Hit)
    assert _look(Rated("any", below=-4), kit, sasl_username="alice") == CLEAR


def test_a_forged_sender_has_no_record() -> None:
    kit = _kit({"domain:victim.example": -50})
    assert _look(Rated("domain", below=-4), kit, sender=parse("a@victim.example")) == CLEAR


def test_trouble_in_the_dns_leaves_the_records_of_addresses() -> None:
    kit = _kit({"client:192.0.2.7": -8}, failing={"192.0.2.7": "SERVFAIL", "mx.example.net": "SERVFAIL"})
    assert isinstance(_look(Rated("any", below=-4), kit), Hit)


@pytest.mark.parametrize("facts", [{}, {"sasl_username": "alice"}])
def test_what_a_rule_about_any_has_read_serves_one_about_the_client(facts: dict[str, str]) -> None:
    kit = _kit({"client:192.0.2.7": 9}).for_message()
    mail = Mail(
        Stage.MAIL,
        {
            "client_address": ipaddress.ip_address("192.0.2.7"),
            "helo_name": "mx.example.net",
            "sender": parse("a@example.net"),
            "sasl_username": "",
            **facts,
        },
    )

    async def both() -> tuple[Finding, Finding, int]:
        first = await look(Rated("any", below=-4), mail, kit)
        second = await look(Rated("client", above=5), mail, kit)
        return first, second, sum(str(key).startswith("rating") for key in kit.memo)

    first, second, readings = asyncio.run(both())
    assert first is CLEAR
    assert isinstance(second, Hit)
    assert readings == (2 if facts else 1)  # a login's record is not that of the line it is on


def test_who_is_unknown_is_clear() -> None:
    assert _look(Rated("any", below=-4), _kit({}), client_address=None) == CLEAR


def test_a_store_that_is_down_cannot_tell() -> None:
    async def down(keys: tuple[str, ...], *, now: float) -> tuple[Rating | None, ...]:
        raise StoreDown("disk full")

    kit = _kit({})
    kit.store.ratings.read = down  # type: ignore[method-assign]  # the fault under test
    assert _look(Rated("client", below=-4), kit) == Unsure("store: disk full")


@pytest.mark.parametrize("options", [{}, {"below": -4.0, "above": 4.0}])
def test_it_needs_one_bound(options: Any) -> None:
    with pytest.raises(ValueError, match="needs one of below and above"):
        Rated("client", **options)
