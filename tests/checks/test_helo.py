"""HELO names: each fault is found by its own verdict and by no other."""

import asyncio
import ipaddress
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postward.checks.helo import Helo
from postward.finding import Clear, Finding, Hit, Unsure
from postward.mail import Mail
from postward.stage import Stage
from tests.dns_zone import ZoneDns
from tests.pretend import look, tools

Verdict = Literal["missing", "bare_ip", "bad_ip", "not_fqdn", "invalid", "ours", "unresolvable"]
VERDICTS: tuple[Verdict, ...] = (
    "missing",
    "bare_ip",
    "bad_ip",
    "not_fqdn",
    "invalid",
    "ours",
    "unresolvable",
)
ZONE = """
mx.example.net.    A    192.0.2.1
six.example.net.   AAAA 2001:db8::1
example.net.       MX   10 mx.example.net.
half.example.net.  TXT  "no address"
"""
OWN = frozenset({"example.org"})


def _look(
    verdict: Verdict, helo: str, client: str | None = "192.0.2.1", dns: ZoneDns | None = None
) -> Finding:
    address = ipaddress.ip_address(client) if client else None
    mail = Mail().learn(Stage.HELO, client_address=address, helo_name=helo)
    kit = tools(dns or ZoneDns(ZONE, failing={"slow.example.net": "timeout"}), own_domains=OWN)
    return asyncio.run(look(Helo(verdict), mail, kit))


FAULTS: list[tuple[str, Verdict | None]] = [
    ("mx.example.net", None),
    ("MX.Example.NET.", None),
    ("six.example.net", None),
    ("example.net", None),
    ("my_host.example.net", "unresolvable"),
    ("[192.0.2.1]", None),
    ("", "missing"),
    (" \t", "missing"),
    ("192.0.2.1", "bare_ip"),
    ("192.0.2.99.", "bare_ip"),
    ("2001:db8::1", "bare_ip"),
    ("[192.0.2.2]", "bad_ip"),
    ("[IPv6:2001:db8::1]", "bad_ip"),
    ("[127.0.0.1]", "bad_ip"),
    ("localhost", "not_fqdn"),
    ("WIN-8F3K2", "not_fqdn"),
    ("localhost.", "not_fqdn"),
    ("[foo]", "invalid"),
    ("[]", "invalid"),
    ("[192.0.2.1", "invalid"),
    ("192.0.2.1]", "invalid"),
    ("mx example.net", "invalid"),
    ("<script>alert(1)</script>", "invalid"),
    ("a..example.net", "invalid"),
    (".example.net", "invalid"),
    ("mx.example.net..", "invalid"),
    ("a" * 64 + ".example.net", "invalid"),
    ("a." * 128 + "example.net", "invalid"),
    ("a." * 5000 + "example.net", "invalid"),
    ("mx.example.123", "invalid"),
    ("1.2.3", "invalid"),
    ("bücher.example", "invalid"),
    ("mx\0.example.net", "invalid"),
    ("mx.example.net\r\nX: y", "invalid"),
    ("\udcff.example.net", "invalid"),
    ("example.org", "ours"),
    ("MX.Example.Org", "ours"),
    ("nobody.example.net", "unresolvable"),
    ("half.example.net", "unresolvable"),
]


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize(("helo", "fault"), FAULTS)
def test_each_fault_is_found_by_its_verdict_alone(helo: str, fault: Verdict | None, verdict: Verdict) -> None:
    found = _look(verdict, helo)
    if verdict == fault:
        assert isinstance(found, Hit)
        assert found.reason == verdict
    elif not (fault == "ours" and verdict == "unresolvable"):  # the zone does not hold our own names
        assert isinstance(found, Clear)


def test_names_that_only_end_like_ours_are_not_ours() -> None:
    assert isinstance(_look("ours", "notexample.org"), Clear)


def test_a_literal_of_an_ipv6_client() -> None:
    assert isinstance(_look("bad_ip", "[ipv6:2001:DB8:0::1]", "2001:db8::1"), Clear)


def test_a_literal_is_never_bad_without_a_client() -> None:
    assert isinstance(_look("bad_ip", "[192.0.2.1]", None), Clear)


def test_trouble_is_unsure() -> None:
    assert _look("unresolvable", "slow.example.net") == Unsure("timeout")


def test_one_record_is_enough_whatever_else_is_in_trouble() -> None:
    dns = ZoneDns(ZONE, failing={"example.net A": "timeout", "example.net AAAA": "SERVFAIL"})
    assert isinstance(_look("unresolvable", "example.net", dns=dns), Clear)


def test_look_ups_are_made_at_the_same_time() -> None:
    dns = ZoneDns(ZONE, delay=1e-6)
    at_once: list[int] = []

    async def main() -> None:
        mail = Mail().learn(Stage.HELO, helo_name="nobody.example.net")
        task = asyncio.ensure_future(look(Helo("unresolvable"), mail, tools(dns)))
        while not task.done():
            at_once.append(len(dns.queries))
            await asyncio.sleep(0)

    asyncio.run(main())
    assert set(at_once) - {0} == {3}


def test_a_long_name_is_shown_in_part() -> None:
    found = _look("invalid", "a" * 5000)
    assert isinstance(found, Hit)
    assert len(found.detail) <= 100


@pytest.mark.parametrize("verdict", VERDICTS)
@given(helo=st.text(max_size=400) | st.text("ab.[]:-1_ IPv6", max_size=40))
def test_no_helo_breaks_it(verdict: Verdict, helo: str) -> None:
    assert isinstance(_look(verdict, helo), Clear | Hit)
