"""Reverse names: each verdict hits for its own reason only, and DNS trouble is never guilt."""

import asyncio
import ipaddress
from types import SimpleNamespace
from typing import Any, Literal, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postward.checks.rdns import ReverseDns
from postward.finding import Clear, Finding, Hit, Unsure
from postward.mail import Mail
from postward.stage import Stage
from postward.state import Store, StoreDown
from tests.dns_zone import ZoneDns
from tests.pretend import Clock, look, tools

Verdict = Literal["missing", "mismatch", "generic", "trouble"]
VERDICTS: tuple[Verdict, ...] = ("missing", "mismatch", "generic", "trouble")
ZONE = """
1.2.0.192.in-addr.arpa.   PTR mx.example.org.
2.2.0.192.in-addr.arpa.   PTR elsewhere.example.org.
77.2.0.192.in-addr.arpa.  PTR 192-0-2-77.isp.example.
78.2.0.192.in-addr.arpa.  PTR dyn-192-0-2-78.isp.example.
mx.example.org.           A   192.0.2.1
elsewhere.example.org.    A   198.51.100.1
192-0-2-77.isp.example.   A   192.0.2.77
80.2.0.192.in-addr.arpa.  PTR dyn-192-0-2-80.isp.example.
dyn-192-0-2-80.isp.example. A 192.0.2.80
81.2.0.192.in-addr.arpa.  PTR static.192-0-2-81.isp.example.
static.192-0-2-81.isp.example. A 192.0.2.81
mail.example.net.         A   192.0.2.77
www.example.net.          A   192.0.2.77
"""
FAILING = {"192.0.2.9": "timeout", "slow.example.net": "SERVFAIL"}


def _look(check: ReverseDns, client: str | None, helo: str = "mx.example.org") -> Finding:
    mail = Mail().learn(
        Stage.HELO, client_address=ipaddress.ip_address(client) if client else None, helo_name=helo
    )
    return asyncio.run(look(check, mail, tools(ZoneDns(ZONE, failing=FAILING))))


@pytest.mark.parametrize(
    ("verdict", "client", "ptr_name"),
    [
        ("missing", "192.0.2.8", "unknown"),
        ("mismatch", "192.0.2.2", "elsewhere.example.org"),
        ("mismatch", "192.0.2.78", "dyn-192-0-2-78.isp.example"),
        ("generic", "192.0.2.77", "192-0-2-77.isp.example"),
        ("generic", "192.0.2.78", "dyn-192-0-2-78.isp.example"),
        ("trouble", "192.0.2.9", "unknown"),
    ],
)
def test_each_verdict_hits(verdict: Verdict, client: str, ptr_name: str) -> None:
    found = _look(ReverseDns(verdict), client)
    assert isinstance(found, Hit)
    assert found.reason == verdict
    assert found.values == {"ptr_name": ptr_name}


@pytest.mark.parametrize("verdict", VERDICTS)
def test_a_verified_name_is_clear(verdict: Verdict) -> None:
    assert isinstance(_look(ReverseDns(verdict), "192.0.2.1"), Clear)


@pytest.mark.parametrize("verdict", VERDICTS)
def test_mail_by_sendmail_is_clear(verdict: Verdict) -> None:
    assert isinstance(_look(ReverseDns(verdict), None), Clear)


@pytest.mark.parametrize("verdict", ["missing", "mismatch", "generic"])
def test_trouble_is_unsure(verdict: Verdict) -> None:
    assert _look(ReverseDns(verdict), "192.0.2.9") == Unsure("PTR: timeout")


def test_no_name_is_no_mismatch() -> None:
    assert isinstance(_look(ReverseDns("mismatch"), "192.0.2.8"), Clear)


def test_a_static_name_that_the_client_also_greets_with_is_not_generic() -> None:
    found = _look(ReverseDns("generic"), "192.0.2.81", "static.192-0-2-81.ISP.example.")
    assert isinstance(found, Clear)


@pytest.mark.parametrize(
    ("client", "helo", "score"),
    [
        ("192.0.2.77", "192-0-2-77.isp.example", 2.0),  # as it was given
        ("192.0.2.80", "dyn-192-0-2-80.isp.example", 2.0),  # a line
        ("192.0.2.77", "mail.example.net", 1.0),  # leads to it
        ("192.0.2.80", "mail.example.net", 2.0),  # leads to another
        ("192.0.2.80", "www.example.net", 3.0),
        ("192.0.2.80", "mail.nobody.example.net", 3.0),  # leads nowhere
        ("192.0.2.77", "example.com", 2.0),
        ("192.0.2.77", "localhost", 2.0),
        ("192.0.2.77", "[192.0.2.77]", 2.0),
        ("192.0.2.80", "", 3.0),
        ("192.0.2.78", "mail.example.net", 3.0),  # the name is not verified
    ],
)
def test_what_the_client_calls_itself_changes_the_weight(client: str, helo: str, score: float) -> None:
    found = _look(ReverseDns("generic"), client, helo)
    assert isinstance(found, Hit)
    assert found.score == score


def test_trouble_with_the_helo_name_is_unsure() -> None:
    assert _look(ReverseDns("generic"), "192.0.2.77", "slow.example.net") == Unsure("HELO: SERVFAIL")


def test_to_greet_with_a_name_that_is_not_verified_does_not_help() -> None:
    found = _look(ReverseDns("generic"), "192.0.2.78", "dyn-192-0-2-78.isp.example")
    assert isinstance(found, Hit)


def test_a_rule_can_ask_for_sure_signs_only() -> None:
    assert isinstance(_look(ReverseDns("generic", "sure"), "192.0.2.77"), Clear)
    assert isinstance(_look(ReverseDns("generic", "sure"), "192.0.2.78"), Hit)


@pytest.mark.parametrize("verdict", VERDICTS)
@given(names=st.lists(st.text(max_size=80), min_size=1, max_size=12), helo=st.text(max_size=80))
def test_no_name_breaks_it(verdict: Verdict, names: list[str], helo: str) -> None:
    dns = ZoneDns()
    dns.add("1.2.0.192.in-addr.arpa", "PTR", *names)
    mail = Mail().learn(Stage.HELO, client_address=ipaddress.ip_address("192.0.2.1"), helo_name=helo)
    found = asyncio.run(look(ReverseDns(verdict, "weak"), mail, tools(dns)))
    assert isinstance(found, Clear | Hit)


DAY = 86_400


def _later(
    check: ReverseDns, days: float, *, zone: str = "", client: str = "192.0.2.1", store: Any = None
) -> Finding:
    """What the check says some days after the client's name was good (if it was)."""
    clock = Clock()
    kit = tools(ZoneDns(ZONE), clock=clock)
    mail = Mail().learn(Stage.HELO, client_address=ipaddress.ip_address(client), helo_name="pc")
    asyncio.run(look(check, mail, kit))
    clock.pass_by(days * DAY)
    then = tools(ZoneDns(zone, failing={"192.0.2.9": "timeout", "mx.example.org": "SERVFAIL"}), clock=clock)
    then.store = store or kit.store
    return asyncio.run(look(check, mail, then))


@pytest.mark.parametrize("zone", ["", ZONE], ids=["no name", "trouble"])
def test_a_client_that_had_a_good_name_lately_is_clear(zone: str) -> None:
    found = _later(ReverseDns("missing"), 29, zone=zone)
    assert isinstance(found, Clear)
    assert found.detail.startswith("had mx.example.org until 2026-")


@pytest.mark.parametrize(
    "check",
    [ReverseDns("missing"), ReverseDns("missing", remember=DAY), ReverseDns("missing", remember=0)],
)
def test_a_good_name_is_forgiven_no_longer_than_it_is_remembered(check: ReverseDns) -> None:
    found = _later(check, 31)
    assert isinstance(found, Hit)


def test_a_name_that_is_gone_need_not_be_forgiven() -> None:
    assert isinstance(_later(ReverseDns("missing", forgive="trouble"), 1), Hit)
    assert isinstance(_later(ReverseDns("mismatch", forgive="trouble"), 1, zone=ZONE), Clear)


def test_a_generic_name_is_remembered_too() -> None:
    found = _later(ReverseDns("generic"), 1, client="192.0.2.77")
    assert isinstance(found, Hit)
    assert found.values == {"ptr_name": "192-0-2-77.isp.example"}


class _Down:
    async def find(self, key: str, *, now: float) -> None:
        raise StoreDown("locked")


DOWN = cast(Store, SimpleNamespace(seen=_Down()))


def test_a_memory_that_is_down_punishes_nobody() -> None:
    found = _later(ReverseDns("missing"), 1, store=DOWN)
    assert found == Unsure("what was known of it before: locked")


def test_who_asks_no_memory_does_not_mind_that_it_is_down() -> None:
    assert isinstance(_later(ReverseDns("missing", remember=0), 1, store=DOWN), Hit)


@pytest.mark.parametrize(
    "name", ["a\0b.example", "<script>alert(1)</script>", "\udcff.example", "\x1b[2J.example", "x" * 255]
)
def test_hostile_names_are_shown_harmless(name: str) -> None:
    dns = ZoneDns()
    dns.add("1.2.0.192.in-addr.arpa", "PTR", *(name,) * 1000)
    mail = Mail().learn(Stage.HELO, client_address=ipaddress.ip_address("192.0.2.1"), helo_name="x")
    found = asyncio.run(look(ReverseDns("mismatch"), mail, tools(dns)))
    assert isinstance(found, Hit)
    assert found.detail.isprintable()
    assert found.values["ptr_name"].isprintable()
    assert len(dns.queries) <= 11


def test_a_loop_of_cnames_is_unsure() -> None:
    zone = """
    1.2.0.192.in-addr.arpa. PTR   a.example.
    a.example.              CNAME b.example.
    b.example.              CNAME a.example.
    """
    mail = Mail().learn(Stage.HELO, client_address=ipaddress.ip_address("192.0.2.1"), helo_name="x")
    found = asyncio.run(look(ReverseDns("mismatch"), mail, tools(ZoneDns(zone))))
    assert found == Unsure("a.example: CNAME chain too long")
