"""Reverse names: each verdict hits for its own reason only, and DNS trouble is never guilt."""

import asyncio
import ipaddress
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postward.checks.rdns import ReverseDns
from postward.finding import Clear, Finding, Hit, Unsure
from postward.mail import Mail
from postward.stage import Stage
from tests.dns_zone import ZoneDns
from tests.pretend import look, tools

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
"""
FAILING = {"192.0.2.9": "timeout"}


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


def test_a_name_that_the_client_also_greets_with_is_not_generic() -> None:
    found = _look(ReverseDns("generic"), "192.0.2.77", "192-0-2-77.ISP.example.")
    assert isinstance(found, Clear)


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
