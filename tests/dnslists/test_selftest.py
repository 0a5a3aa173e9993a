"""The steps of a self-test."""

import asyncio
import ipaddress
import random

from postward.dnslists.definition import Definition
from postward.dnslists.selftest import Result, full, quick, random_points
from postward.tools import Answer, NoName, Records, Trouble
from tests.dnslists.scripted import KEY, ScriptedDns, definition, in_order, keyed


def run(dns: ScriptedDns, each: Definition) -> Result:
    return asyncio.run(full(each, dns, random.Random(7)))


class Wildcard(ScriptedDns):
    """A list that has everything, and records of its own below 127: no wildcard covers those (RFC 4592)."""

    async def a(self, name: str) -> Answer[str]:
        known = await super().a(name)
        covered = isinstance(known, NoName) and not name.endswith(".127.bl.example")
        return Records(("127.0.0.2",), 300) if covered else known


def test_an_address_list_has_four_steps() -> None:
    found = run(ScriptedDns(in_order(definition())), definition())
    assert (found.why, found.silent) == ("", False)
    assert [(step.asked, step.answer, step.passed) for step in found.steps[:2]] == [
        ("2.0.0.127.bl.example", "127.0.0.2", True),
        ("1.0.0.127.bl.example", "not listed", True),
    ]
    assert found.steps[2].asked.endswith(".127.bl.example")
    assert [step.answer for step in found.steps[2:]] == ["not listed"] * 2


def test_a_wildcard_beside_the_test_point_is_seen() -> None:
    dns = Wildcard(in_order(definition()))
    assert "it lists everything" in run(dns, definition()).why
    assert "it lists everything" in asyncio.run(quick(definition(), dns, random.Random(7))).why


def test_a_domain_list_has_its_own_points() -> None:
    each = definition("dbl", about={"sender"}, listed=("dbltest.com",))
    found = run(ScriptedDns(in_order(each)), each)
    assert [step.asked for step in found.steps[:2]] == ["dbltest.com.dbl.example", "invalid.dbl.example"]
    assert found.why == ""


def test_a_list_of_both_is_tested_for_both() -> None:
    each = definition(about={"client", "sender"})
    assert len(run(ScriptedDns(in_order(each)), each).steps) == 7


def test_random_points_are_new_each_time() -> None:
    chance = random.Random(1)
    both = definition(about={"client", "helo"})
    points = [random_points(both, chance) for _ in range(50)]
    assert len(set(points)) == 50
    assert all(own.startswith("127.") and name.endswith(".invalid") for own, _, name in points)
    assert not any(own in ("127.0.0.1", "127.0.0.2") for own, _, _ in points)
    assert all(ipaddress.ip_address(unused).is_reserved for _, unused, _ in points)


def test_the_test_point_may_have_any_code() -> None:
    assert run(ScriptedDns({"2.0.0.127.bl.example": ["127.0.10.0"]}), definition()).why == ""


def test_silence_is_told_from_a_wrong_answer() -> None:
    dns = ScriptedDns()
    dns.broken["bl.example"] = Trouble("SERVFAIL")
    assert run(dns, definition()).silent
    dns.broken = {"1.0.0.127.bl.example": Trouble("SERVFAIL")}
    found = run(dns, definition())
    assert not found.silent
    assert found.why == "127.0.0.2 is not listed; is this still a list?"


def test_a_list_that_hangs_is_silent_in_its_time() -> None:
    dns = ScriptedDns()
    dns.hanging = {"bl.example"}
    found = run(dns, definition(within=0.02))
    assert (found.why, found.silent) == ("no answer in 0.02 s", True)


def test_a_probe_asks_only_what_nobody_lists() -> None:
    dns = ScriptedDns(in_order(definition()))
    assert asyncio.run(quick(definition(), dns, random.Random(7))).why == ""
    assert len(dns.asked) == 2


def test_steps_show_no_key() -> None:
    found = run(ScriptedDns(in_order(keyed())), keyed())
    assert found.steps[0].asked == "2.0.0.127.***.bl.example"
    assert KEY.lower() not in repr(found).lower()
