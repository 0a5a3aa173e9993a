"""Who is held by the shipped rules, and who never is."""

import asyncio
import ipaddress
from pathlib import Path
from typing import Any

import pytest

from postward.address import parse
from postward.decision import Continue, Decision, Defer, Hold
from postward.learning import Learner, about_recipients
from postward.mail import Mail
from postward.outcomes import Points
from postward.stage import Door, Stage
from tests.dns_zone import ZoneDns
from tests.house import TestHouse, build

ZONE = """
new.example.      MX 10 mx.new.example.
new.example.      A  203.0.113.80
mx.new.example.   A  203.0.113.80
"""


def house(directory: Path) -> TestHouse:
    lists = {"allow-senders": "entries: [friend.example, a@friend.new.example]"}
    return build(directory, "", lists, dns=ZoneDns(ZONE), doors=frozenset({Door.POLICYD}))


def decision(at: TestHouse, **changes: Any) -> Decision:
    """At RCPT, for a client without a name in the reverse DNS; what it teaches is learned."""
    mail = Mail(
        Stage.RCPT,
        {
            "client_address": ipaddress.ip_address("203.0.113.5"),
            "client_name": "unknown",
            "reverse_client_name": "unknown",
            "client_port": 1025,
            "listener": "",
            "instance": "1.2.3",
            "helo_name": "mx.new.example",
            "protocol_name": "ESMTP",
            "encryption_protocol": "",
            "encryption_cipher": "",
            "ccert_subject": "",
            "sender": parse("a@new.example"),
            "sasl_username": "",
            "sasl_method": "",
            "size": 0,
            "recipient": parse("bob@example.org"),
            **changes,
        },
    )
    case = at.house.rules.open(Door.POLICYD, at.house.tools)
    judgement = asyncio.run(case.judge(mail, 5.0))
    Learner(Points(), about_recipients(at.house.rules)).learn(mail, judgement, case.tools)
    return judgement.decision


def after_a_retry(at: TestHouse, **changes: Any) -> Decision:
    """What the second attempt gets, ten minutes after the first."""
    decision(at, **changes)
    at.clock.now += 600
    return decision(at, **changes)


def test_the_first_attempt_is_greylisted_and_opens_no_ticket(tmp_path: Path) -> None:
    at = house(tmp_path)
    assert isinstance(decision(at), Defer)
    assert asyncio.run(at.house.tools.store.holds.tickets()) == ()


def test_new_and_suspicious_waits(tmp_path: Path) -> None:
    held = after_a_retry(house(tmp_path))
    assert isinstance(held, Hold)
    assert str(held.reply).startswith("450 4.7.1 We do not know new.example yet")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"sender": parse("<>")}, id="a bounce"),
        pytest.param({"sender": parse("a@friend.new.example")}, id="a listed sender"),
        pytest.param({"sasl_username": "carol"}, id="a user of ours"),
        pytest.param({"client_address": ipaddress.ip_address("127.0.0.1")}, id="this host, such as a notice"),
        pytest.param(
            {"client_address": ipaddress.ip_address("127.0.0.1"), "sender": parse("<>")},
            id="a notice of holds",
        ),
    ],
)
def test_who_never_waits_for_a_person(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert after_a_retry(house(tmp_path), **changes) == Continue()


def test_an_answer_to_our_users_mail_never_waits(tmp_path: Path) -> None:
    at = house(tmp_path)
    ours = {"sasl_username": "bob", "sender": parse("bob@example.org"), "recipient": parse("a@new.example")}
    assert decision(at, **ours) == Continue()
    assert decision(at) == Continue()


def test_a_domain_that_is_known_does_not_wait(tmp_path: Path) -> None:
    at = house(tmp_path)
    at.house.tools.store.seen.note("domain new.example", now=at.clock.now, keep=1e6)
    assert after_a_retry(at) == Continue()


def test_what_the_deadline_lets_in_makes_the_domain_known(tmp_path: Path) -> None:
    """If somebody vouches that the mail is of it: a forged sender makes no domain known."""
    at = house(tmp_path)
    dns = at.house.tools.dns
    assert isinstance(dns, ZoneDns)
    dns.add("new.example", "TXT", "v=spf1 ip4:203.0.113.5 -all")
    assert isinstance(after_a_retry(at), Hold)
    at.clock.now += 24 * 3_600
    store, now = at.house.tools.store, at.clock.now
    assert decision(at) == Continue()
    assert asyncio.run(store.seen.find("domain new.example", now=now)) is not None


def test_what_is_new_but_not_suspicious_does_not_wait(tmp_path: Path) -> None:
    at = house(tmp_path)
    dns = at.house.tools.dns
    assert isinstance(dns, ZoneDns)
    client = ipaddress.ip_address("203.0.113.80")
    dns.add(client.reverse_pointer, "PTR", "mx.new.example")
    assert decision(at, client_address=client) == Continue()
