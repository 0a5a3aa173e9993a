"""The sender's domain: each fault, what the DNS leaves open, and both doors' spellings of an address."""

import asyncio
import ipaddress
from typing import Any, get_args, get_type_hints

import pytest

from milters.events import MailFrom
from milters.intake import mail_facts
from policyd.intake import mail_of
from postward import eager
from postward.address import parse
from postward.checks.sender_domain import SenderDomain
from postward.dns.resolver import Resolver
from postward.finding import CLEAR, Clear, Finding, Hit, Unsure
from postward.mail import Mail
from postward.stage import Stage
from tests.dns_server import DnsServer
from tests.dns_zone import ZoneDns
from tests.pretend import Clock, look, tools

VERDICTS: tuple[Any, ...] = get_args(get_type_hints(SenderDomain)["verdict"])
ZONE = """
good.example.       MX   10 mx.good.example.
mx.good.example.    A    192.0.2.1
six.example.        MX   10 mx.six.example.
mx.six.example.     AAAA 2001:db8::1
plain.example.      A    192.0.2.1
plainsix.example.   AAAA 2001:db8::1
second.example.     MX   10 gone.example.
second.example.     MX   20 mx.good.example.
empty.example.      TXT  "nothing"
null.example.       MX   0 .
gone-mx.example.    MX   10 gone.example.
gone-mx.example.    MX   20 empty.example.
literal.example.    MX   10 192.0.2.1.
loop.example.       MX   10 localhost.loop.example.
localhost.loop.example. A 127.0.0.1
private.example.    MX   10 mx.private.example.
mx.private.example. A    10.1.2.3
mx.private.example. A    192.168.7.8
wrapped.example.    A    0.0.0.0
part.example.       MX   10 mx.part.example.
mx.part.example.    A    127.0.0.1
mx.part.example.    AAAA 2001:db8::9
servfail.example.   MX   10 mx.good.example.
late-mx.example.    MX   10 late.example.
late2.example.      MX   10 gone.example.
late2.example.      MX   20 late.example.
late3.example.      MX   10 late.example.
late3.example.      MX   20 mx.good.example.
example.org.        TXT  "v=spf1 ip4:192.0.2.55 -all"
news.example.org.   TXT  "v=spf1 +all"
example.org.        A    192.0.2.1
"""
FAILING = {"servfail.example": "SERVFAIL", "late.example": "timeout", "slow-a.example A": "timeout"}


def _mail(sender: str, client: str = "192.0.2.7") -> Mail:
    return Mail().learn(
        Stage.MAIL,
        client_address=ipaddress.ip_address(client),
        helo_name="mx.example.net",
        sender=parse(sender),
    )


def _find(verdict: Any, sender: str, client: str = "192.0.2.7", dns: ZoneDns | None = None) -> Finding:
    kit = tools(dns or ZoneDns(ZONE, failing=FAILING), own_domains=frozenset({"example.org"}))
    return asyncio.run(look(SenderDomain(verdict), _mail(sender, client), kit))


@pytest.mark.parametrize(
    "sender",
    [
        "<>",
        *(f"a@{name}.example" for name in ("good", "six", "plain", "plainsix", "second", "part", "late3")),
    ],
)
@pytest.mark.parametrize("verdict", VERDICTS)
def test_nothing_is_said_of_a_good_sender(verdict: Any, sender: str) -> None:
    assert _find(verdict, sender) == CLEAR


@pytest.mark.parametrize(
    ("sender", "verdict", "detail", "score"),
    [
        ("a@gone.example", "unknown", "gone.example no such domain", 4.0),
        ("a@empty.example", "unknown", "empty.example no MX, A or AAAA", 3.0),
        ("a@null.example", "null_mx", "null.example", 4.0),
        ("a@gone-mx.example", "bad_mx", "gone-mx.example no address for gone.example", 3.0),
        ("a@literal.example", "bad_mx", "literal.example an address in place of a name: 192.0.2.1", 2.0),
        (
            "a@loop.example",
            "bad_mx",
            "loop.example no public address: localhost.loop.example: 127.0.0.1",
            4.0,
        ),
        (
            "a@private.example",
            "bad_mx",
            "private.example no public address: mx.private.example: 10.1.2.3",
            4.0,
        ),
        ("a@wrapped.example", "bad_mx", "wrapped.example no public address: wrapped.example: 0.0.0.0", 4.0),
        ("a@localhost", "no_dot", "localhost", 4.0),
        ("a@[192.0.2.1]", "literal", "[192.0.2.1]", 3.0),
        ("a@192.0.2.1", "invalid", "192.0.2.1 an address without brackets", 4.0),
        ("a@-b@d!", "invalid", "not a domain name", 4.0),
        ("alice", "invalid", "no domain", 4.0),
        ("a@x\0y.example", "invalid", "not a domain name", 4.0),
        ("a@" + "x" * 64 + ".example", "invalid", "not a domain name", 4.0),
        ("a@" + "x." * 140 + "example", "invalid", "not a domain name", 4.0),
        ("a@<script>.example", "invalid", "not a domain name", 4.0),
    ],
)
def test_each_fault_is_found_by_its_verdict_only(
    sender: str, verdict: Any, detail: str, score: float
) -> None:
    found = _find(verdict, sender)
    assert isinstance(found, Hit)
    assert (found.reason, found.detail, found.score) == (verdict, detail, score)
    assert all(_find(other, sender) == CLEAR for other in VERDICTS if other != verdict)


@pytest.mark.parametrize("domain", ["servfail.example", "late-mx.example", "late2.example", "late.example"])
def test_trouble_is_unsure_and_never_a_fault(domain: str) -> None:
    found = [_find(verdict, f"a@{domain}") for verdict in VERDICTS]
    assert not any(isinstance(each, Hit) for each in found)
    unsure = [each.why for each in found if isinstance(each, Unsure)]
    assert len(unsure) == 3
    assert all("SERVFAIL" in why or "timeout" in why for why in unsure)


@pytest.mark.parametrize("sender", ["alice", "a@[192.0.2.1]", "a@localhost", "a@192.0.2.1", "<>"])
def test_what_can_be_seen_is_not_looked_up(sender: str) -> None:
    dns = ZoneDns(ZONE)
    for verdict in VERDICTS:
        _find(verdict, sender, dns=dns)
    assert dns.queries == []


def test_a_good_domain_costs_two_look_ups() -> None:
    dns = ZoneDns(ZONE)
    _find("bad_mx", "a@good.example", dns=dns)
    assert dns.queries == [("MX", "good.example"), ("A", "mx.good.example")]


def test_a_flood_of_exchanges_is_bounded() -> None:
    dns = ZoneDns("".join(f"many.example. MX {each} gone{each}.example.\n" for each in range(200)))
    assert isinstance(_find("bad_mx", "a@many.example", dns=dns), Hit)
    assert len(dns.queries) <= 1 + 2 * 10


@pytest.mark.parametrize("domain", ["example.org", "host.example.org", "EXAMPLE.org.", "news.example.org"])
def test_ours_from_outside_is_a_forgery(domain: str) -> None:
    found = _find("ours", f"boss@{domain}")
    assert isinstance(found, Hit)
    assert found.detail.startswith(domain.lower().removesuffix(".") + " spf=")


def test_a_service_that_our_record_names_may_send_for_us() -> None:
    assert _find("ours", "news@example.org", "192.0.2.55") == Clear("SPF pass of example.org")


def test_our_own_record_that_cannot_be_read_is_unsure() -> None:
    dns = ZoneDns(ZONE, failing={"example.org TXT": "SERVFAIL"})
    assert isinstance(_find("ours", "boss@example.org", dns=dns), Unsure)


@pytest.mark.parametrize("sender", ["a@notexample.org", "a@org", "a@example.org.evil.example", "<>"])
def test_what_only_looks_like_ours_is_not(sender: str) -> None:
    assert _find("ours", sender) == CLEAR


# What Postfix tells the policy service, and the octets that it hands to a milter, of one MAIL FROM.
SPELLINGS = [
    ("", b"<>"),
    ("a@good.example", b"<a@good.example>"),
    ("a b@gone.example", b'<"a b"@gone.example>'),
    ("x@good.example@gone.example", b'<"x@good.example"@gone.example>'),
    ("a@gone.example", b"<@good.example:a@gone.example>"),
    ("a@Gone.Example", b"<a@GONE.example>"),
    ("a@good.example.", b"<a@good.example.>"),
    ("a@[192.0.2.1]", b"<a@[192.0.2.1]>"),
    ("alice", b"<alice>"),
    ("a@b\u00fccher.example", "<a@b\u00fccher.example>".encode()),
    ("boss@example.org", b"<boss@example.org>"),
]


@pytest.mark.parametrize(("policy", "milter"), SPELLINGS)
def test_equal_sessions_give_equal_findings_at_both_doors(policy: str, milter: bytes) -> None:
    before = {"client_address": ipaddress.ip_address("192.0.2.7"), "helo_name": "mx.example.net"}
    at_policyd = mail_of(
        {
            "protocol_state": "RCPT",
            "client_address": "192.0.2.7",
            "helo_name": "mx.example.net",
            "sender": policy,
        }
    )
    at_milter = Mail(Stage.MAIL, {**before, **mail_facts(MailFrom(milter), {})})
    dns = ZoneDns(ZONE, failing=FAILING)
    for verdict in VERDICTS:
        kits = [tools(dns, own_domains=frozenset({"example.org"})) for _ in range(2)]
        found = [
            asyncio.run(look(SenderDomain(verdict), mail, kit))
            for mail, kit in zip((at_policyd, at_milter), kits, strict=True)
        ]
        assert found[0] == found[1]


def test_the_attackers_domain_is_taken_at_neither_door() -> None:
    """Postfix cuts this one for the policy service and hands it to a milter as it came (THREATS A2)."""
    dns = ZoneDns(ZONE)
    for raw in ("any@good.example", "<any@good.example(.attack.example>"):
        for verdict in VERDICTS:
            _find(verdict, raw, dns=dns)
    assert {name for _, name in dns.queries} <= {"good.example", "mx.good.example"}


def test_with_all_in_the_cache_nothing_waits() -> None:
    async def main() -> bool:
        async with DnsServer(ZONE) as server:
            resolver = Resolver([server.address], 1.0, 1, 100, Clock())
            mail = _mail("a@good.example")
            await look(SenderDomain("unknown"), mail, tools(resolver))
            looked = SenderDomain("unknown").look(mail, tools(resolver))
            assert not isinstance(looked, Clear | Hit | Unsure)
            return isinstance(eager.start(looked), eager.Ready)

    assert asyncio.run(main())


def test_the_second_rule_of_a_message_gets_a_plain_value() -> None:
    async def main() -> Finding:
        kit, mail = tools(ZoneDns(ZONE)), _mail("a@null.example")
        await look(SenderDomain("unknown"), mail, kit)
        looked = SenderDomain("null_mx").look(mail, kit)
        assert isinstance(looked, Clear | Hit | Unsure)
        return looked

    assert isinstance(asyncio.run(main()), Hit)
