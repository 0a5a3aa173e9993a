"""The client's reverse name: what is missing, what does not match, and what nobody could tell."""

import asyncio
import ipaddress

import pytest

from postward.derive.iprev import Iprev, iprev
from postward.mail import Mail
from postward.stage import Stage
from tests.dns_zone import ZoneDns
from tests.pretend import tools

ZONE = """
1.2.0.192.in-addr.arpa.  PTR mx.example.org.
2.2.0.192.in-addr.arpa.  PTR elsewhere.example.org.
3.2.0.192.in-addr.arpa.  PTR nobody.example.org.
4.2.0.192.in-addr.arpa.  TXT "no name"
5.2.0.192.in-addr.arpa.  PTR nobody.example.org.
5.2.0.192.in-addr.arpa.  PTR many.example.org.
6.2.0.192.in-addr.arpa.  PTR broken.example.org.
7.2.0.192.in-addr.arpa.  PTR broken.example.org.
7.2.0.192.in-addr.arpa.  PTR many.example.org.
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR mx.example.org.
mx.example.org.         A    192.0.2.1
mx.example.org.         AAAA 2001:db8:0:0::1
elsewhere.example.org.  A    198.51.100.1
many.example.org.       A    198.51.100.1
many.example.org.       A    192.0.2.5
many.example.org.       A    192.0.2.7
"""
FAILING = {"192.0.2.9": "timeout", "broken.example.org": "SERVFAIL"}


def _iprev(client: str | None, dns: ZoneDns | None = None) -> Iprev:
    mail = Mail().learn(Stage.CONNECT, client_address=ipaddress.ip_address(client) if client else None)
    return asyncio.run(iprev(mail, tools(dns or ZoneDns(ZONE, failing=FAILING))))


@pytest.mark.parametrize(
    ("client", "found"),
    [
        ("192.0.2.1", Iprev("pass", "mx.example.org")),
        ("2001:db8::1", Iprev("pass", "mx.example.org")),
        ("192.0.2.2", Iprev("mismatch", "elsewhere.example.org")),
        ("192.0.2.3", Iprev("mismatch", "nobody.example.org")),
        ("192.0.2.4", Iprev("missing")),
        ("192.0.2.8", Iprev("missing")),
        ("192.0.2.5", Iprev("pass", "many.example.org")),
        ("192.0.2.6", Iprev("temperror", "broken.example.org", "broken.example.org: SERVFAIL")),
        ("192.0.2.7", Iprev("pass", "many.example.org")),
        ("192.0.2.9", Iprev("temperror", why="PTR: timeout")),
        (None, Iprev("none")),
    ],
)
def test_kinds(client: str | None, found: Iprev) -> None:
    assert _iprev(client) == found


def test_a_thousand_names_are_ten_queries() -> None:
    dns = ZoneDns()
    dns.add("1.2.0.192.in-addr.arpa", "PTR", *(f"n{number}.example.org" for number in range(1000)))
    assert _iprev("192.0.2.1", dns).kind == "mismatch"
    assert len(dns.queries) == 11


def test_forward_look_ups_are_made_at_the_same_time() -> None:
    dns = ZoneDns(ZONE, delay=1e-6)
    dns.add("9.2.0.192.in-addr.arpa", "PTR", *(f"n{number}.example.org" for number in range(5)))
    at_once: list[int] = []

    async def main() -> None:
        mail = Mail().learn(Stage.CONNECT, client_address=ipaddress.ip_address("192.0.2.9"))
        task = asyncio.ensure_future(iprev(mail, tools(dns)))
        while not task.done():
            at_once.append(len(dns.queries))
            await asyncio.sleep(0)

    asyncio.run(main())
    assert set(at_once) - {0} == {1, 6}


def test_hostile_names_do_no_harm() -> None:
    dns = ZoneDns()
    dns.add("1.2.0.192.in-addr.arpa", "PTR", "a\\000b.example", "<script>", "x" * 255, "", "\udcff")
    assert _iprev("192.0.2.1", dns).kind == "mismatch"


def test_it_is_looked_up_once_a_message() -> None:
    dns = ZoneDns(ZONE)

    async def main() -> None:
        kit = tools(dns)
        mail = Mail().learn(Stage.CONNECT, client_address=ipaddress.ip_address("192.0.2.1"))
        await asyncio.gather(*(iprev(mail, kit) for _ in range(10)))

    asyncio.run(main())
    assert len(dns.queries) == 2
