"""How many others pass where a client passes SPF, and which pass can be trusted."""

import asyncio
import ipaddress
import textwrap
from collections.abc import Iterable

import pytest

from postward.address import parse
from postward.derive.spf import SpfResult, spf
from postward.mail import Mail
from postward.stage import Stage
from tests.dns_zone import ZoneDns
from tests.pretend import tools

V4, V6 = "192.0.2.1", "2001:db8::1"
# What the largest sender published: two /15, two /16 and two /17 beside some IPv6.
LARGE = (
    "ip4:192.0.0.0/15 ip4:198.18.0.0/15 ip4:203.0.0.0/16 ip4:198.51.0.0/16 ip4:100.0.0.0/17 ip4:10.0.0.0/17"
)


def _spf(terms: str, client: str = V4, zone: str = "", sender: str = "a@example.org") -> SpfResult:
    record = f'example.org. TXT "v=spf1 {terms}"\n' if len(terms) < 240 else _long(terms)
    mail = Mail().learn(
        Stage.MAIL,
        client_address=ipaddress.ip_address(client),
        helo_name="mx.example.net",
        sender=parse(sender),
    )
    return asyncio.run(spf(mail, tools(ZoneDns(record + textwrap.dedent(zone)))))


def _long(terms: str) -> str:
    text = f"v=spf1 {terms}"
    return (
        "example.org. TXT " + " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200)) + "\n"
    )


def _networks(count: int, prefix: int) -> Iterable[str]:
    """So many neighbouring networks, from 0.0.0.0 on."""
    return (f"ip4:{ipaddress.IPv4Address(each << (32 - prefix))}/{prefix}" for each in range(count))


@pytest.mark.parametrize(
    "terms",
    [
        "+all",
        "all",
        "ip4:192.0.2.1 +all",
        "ip4:0.0.0.0/0 -all",
        "a/0 -all",
        "ip4:0.0.0.0/1 ip4:128.0.0.0/1 -all",
        "exists:example.org -all",
        "exists:%{d} -all",
        "redirect=open.example",
        "include:open.example -all",
    ],
)
def test_everybody_passes(terms: str) -> None:
    zone = 'example.org. A 192.0.2.9\nopen.example. TXT "v=spf1 +all"'
    found = _spf(terms, zone=zone)
    assert (found.result, found.breadth, found.trustworthy) == ("pass", "plus_all", False)


@pytest.mark.parametrize(
    ("terms", "client"),
    [
        ("ip4:192.0.0.0/14 -all", V4),
        ("a:far.example/8 -all", V4),
        ("mx/12 -all", V4),
        ("ip6:2001:db8::/32 -all", V6),
        ("a:far.example//16 -all", V6),
        ("include:wide.example -all", V4),
        ("ip4:192.0.2.1 " + " ".join(_networks(33, 16)) + " -all", V4),
        (" ".join(f"ip6:2001:{each:x}::/33" for each in range(9)) + " ip6:2001:db8::1 -all", V6),
    ],
)
def test_far_too_many_pass(terms: str, client: str) -> None:
    zone = """
        far.example.   A    192.3.4.5
        far.example.   AAAA 2001:1::1
        example.org.   MX   1 far.example.
        wide.example.  TXT  "v=spf1 ip4:192.0.0.0/9 -all"
    """
    found = _spf(terms, client, zone)
    assert (found.result, found.breadth, found.trustworthy) == ("pass", "wide", False)


@pytest.mark.parametrize(
    ("terms", "client"),
    [
        ("ip4:192.0.2.0/24 -all", V4),
        ("ip4:192.0.0.0/15 -all", V4),
        (LARGE + " -all", V4),
        (" ".join(_networks(400, 24)) + " ip4:192.0.2.1 -all", V4),
        ("ip4:192.0.2.1 ?all", V4),
        ("ip4:192.0.2.1 ?ip4:0.0.0.0/0 -all", V4),
        ("ip4:192.0.2.1 ?include:open.example -all", V4),
        ("-ip4:10.0.0.0/8 ip4:192.0.2.1 -all", V4),
        ("ip6:2001:db8::/33 ip4:0.0.0.0/0 -all", V6),
        ("ip4:192.0.2.1 ip6:::/0 -all", V4),
        ("a:mx.example.net -all", V4),
        ("exists:%{i}.list.example -all", V4),
        ("ptr -all", V4),
        ("ip4:192.0.2.1 " + "ip4:198.0.0.0/13 -all", V4),
    ],
)
def test_the_usual_pass_is_narrow(terms: str, client: str) -> None:
    zone = """
        mx.example.net.               A    192.0.2.1
        192.0.2.1.list.example.       A    127.0.0.2
        1.2.0.192.in-addr.arpa.       PTR  mx.example.org.
        mx.example.org.               A    192.0.2.1
        open.example.                 TXT  "v=spf1 +all"
    """
    found = _spf(terms, client, zone)
    assert (found.result, found.breadth, found.trustworthy) == ("pass", "", True)


@pytest.mark.parametrize("terms", ["?all", "~all", "-all", "-ip4:0.0.0.0/0", "-ip4:192.0.2.1 +all", "what"])
def test_who_does_not_pass_is_not_trusted(terms: str) -> None:
    found = _spf(terms)
    assert found.result != "pass"
    assert (found.breadth, found.trustworthy) == ("", False)


def test_a_network_that_stands_twice_counts_once() -> None:
    assert _spf("ip4:192.0.2.1 " + "ip4:198.0.0.0/12 " * 9 + "-all").breadth == ""


def test_a_pass_of_the_helo_name_verifies_no_sender() -> None:
    zone = 'mx.example.net. TXT "v=spf1 ip4:192.0.2.1 -all"'
    found = _spf("-all", zone=zone, sender="<>")
    assert (found.result, found.identity, found.trustworthy) == ("pass", "helo", False)


def test_the_breadth_is_remembered_with_the_result() -> None:
    mail = Mail().learn(
        Stage.MAIL, client_address=ipaddress.ip_address(V4), helo_name="h", sender=parse("a@example.org")
    )
    dns = ZoneDns('example.org. TXT "v=spf1 +all"')

    async def twice() -> tuple[SpfResult, SpfResult, int]:
        first = await spf(mail, tools(dns))
        asked = len(dns.queries)
        return first, await spf(mail, tools(dns)), len(dns.queries) - asked

    first, second, more = asyncio.run(twice())
    assert (first, more) == (second, 0)
    assert second.breadth == "plus_all"
