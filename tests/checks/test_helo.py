"""HELO names: each fault is found by its own verdict and by no other."""

import asyncio
import ipaddress
from typing import Literal, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postward.checks.helo import Helo
from postward.finding import Clear, Finding, Hit, Unsure
from postward.mail import Mail
from postward.stage import Stage
from tests.dns_zone import ZoneDns
from tests.pretend import look, tools

Verdict = Literal[
    "missing",
    "bare_ip",
    "bad_ip",
    "literal",
    "not_fqdn",
    "private_name",
    "invalid",
    "ours",
    "claims_provider",
    "unresolvable",
    "other_ip",
    "unrelated",
]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
ZONE = """
mx.example.net.    A    192.0.2.1
six.example.net.   AAAA 2001:db8::1
example.net.       MX   10 mx.example.net.
half.example.net.  TXT  "no address"
other.example.net. A    192.0.2.7
1.2.0.192.in-addr.arpa.  PTR  ptr.example.net.
ptr.example.net.   A    192.0.2.1
2.2.0.192.in-addr.arpa.  PTR  o1.google.com.
o1.google.com.     A    192.0.2.2
mx.google.com.     A    192.0.2.5
other.example.com. A    192.0.2.7
mx.example.com.    A    192.0.2.1
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
    ("[192.0.2.1]", "literal"),
    ("host.localdomain", "private_name"),
    ("localhost.localdomain", "private_name"),
    ("PC.Local", "private_name"),
    ("vm-1.novalocal", "private_name"),
    ("mx.example.com", None),
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
    elif not (fault == "ours" and verdict in ("unresolvable", "unrelated")):  # the zone has none of our names
        assert isinstance(found, Clear)


def test_names_that_only_end_like_ours_are_not_ours() -> None:
    assert isinstance(_look("ours", "notexample.org"), Clear)


def test_a_literal_of_an_ipv6_client() -> None:
    assert isinstance(_look("bad_ip", "[ipv6:2001:DB8:0::1]", "2001:db8::1"), Clear)


@pytest.mark.parametrize(
    ("helo", "client", "hits"),
    [
        ("mx.google.com", "192.0.2.1", True),
        ("gmail.com", "192.0.2.1", True),
        ("gmail.com", "192.0.2.9", True),  # no verified name at all
        ("mail.outlook.com", "192.0.2.2", True),  # another provider
        ("gmail.com", "192.0.2.2", False),
        ("mx.google.com", "192.0.2.5", False),  # the provider's own DNS says so
        ("google.com.example.net", "192.0.2.1", False),
        ("notgoogle.com", "192.0.2.1", False),
        ("gmail.com", None, False),
    ],
)
def test_only_a_providers_servers_may_greet_as_the_provider(
    helo: str, client: str | None, hits: bool
) -> None:
    assert isinstance(_look("claims_provider", helo, client), Hit if hits else Clear)


@pytest.mark.parametrize("verdict", ["claims_provider", "other_ip", "unrelated", "unresolvable"])
def test_trouble_with_the_helo_name_is_unsure(verdict: Verdict) -> None:
    dns = ZoneDns(ZONE, failing={"mx.google.com": "SERVFAIL"})
    assert _look(verdict, "mx.google.com", "192.0.2.1", dns) == Unsure("SERVFAIL")


@pytest.mark.parametrize("verdict", ["claims_provider", "unrelated"])
def test_trouble_with_the_reverse_name_is_unsure(verdict: Verdict) -> None:
    dns = ZoneDns(ZONE, failing={"192.0.2.1": "SERVFAIL"})
    assert _look(verdict, "mx.google.com", "192.0.2.1", dns) == Unsure("PTR: SERVFAIL")


@pytest.mark.parametrize(
    ("helo", "client", "found"),
    [
        ("other.example.net", "192.0.2.1", ()),  # of the same owner
        ("nobody.example.net", "192.0.2.1", ()),
        ("mx.example.com", "192.0.2.1", ()),  # leads to it
        ("other.example.com", "192.0.2.1", ("other_ip", "unrelated")),
        ("nobody.example.com", "192.0.2.1", ("unrelated",)),
        ("other.example.com", "192.0.2.9", ("other_ip",)),  # no verified name to compare with
        ("other.example.com", None, ()),
    ],
)
def test_how_the_name_is_related_to_the_client(helo: str, client: str | None, found: tuple[str, ...]) -> None:
    both: tuple[Verdict, Verdict] = ("other_ip", "unrelated")
    assert tuple(each for each in both if isinstance(_look(each, helo, client), Hit)) == found


@pytest.mark.parametrize(
    ("helo", "score"),
    [("localhost.localdomain", 2.0), ("x.internal", 2.0), ("pc.local", 1.0), ("a.lan", 1.0)],
)
def test_a_machine_that_nobody_configured_weighs_more(helo: str, score: float) -> None:
    found = _look("private_name", helo)
    assert isinstance(found, Hit)
    assert found.score == score


def test_every_hit_carries_a_weight() -> None:
    found = [_look(fault, helo) for helo, fault in FAULTS if fault]
    assert all(isinstance(each, Hit) and each.score > 0 for each in found)


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
