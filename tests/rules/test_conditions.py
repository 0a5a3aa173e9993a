"""Conditions: each word of `when:` and `unless:`, true and false."""

import ipaddress
from pathlib import Path
from typing import Any

import pytest

from postward.address import NULL, parse
from postward.decision import Continue, Reject
from postward.rules.conditions import KINDS
from postward.stage import Stage
from tests.rules.judging import HIT, Bench, rule, rules

LISTS = {"friends": "entries: [192.0.2.0/24, friend.example, .friends.example]\n"}

CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("authenticated", {"sasl_username": "alice"}, {"sasl_username": ""}),
    ("null_sender", {"sender": NULL}, {"sender": parse("alice@example.net")}),
    ("tls", {"encryption_protocol": "TLSv1.3"}, {"encryption_protocol": ""}),
    ("{listener: submission}", {"listener": "submission"}, {"listener": "inbound"}),
    ("{listener: [a, b]}", {"listener": "b"}, {"listener": ""}),
    (
        "{sender_domain: example.net}",
        {"sender": parse("a@EXAMPLE.net")},
        {"sender": parse("a@b.example.net")},
    ),
    ("{sender_domain: bücher.example}", {"sender": parse("a@xn--bcher-kva.example")}, {"sender": NULL}),
    ("{recipient_domain: [a.org, B.org.]}", {"recipient": parse("x@b.org")}, {"recipient": parse("x@c.org")}),
    ("{sender_in: friends}", {"sender": parse("a@friend.example")}, {"sender": parse("a@foe.example")}),
    ("{recipient_in: friends}", {"recipient": parse("a@x.friends.example")}, {"recipient": parse("a@b.org")}),
    (
        "{client_in: friends}",
        {"client_address": ipaddress.ip_address("192.0.2.7")},
        {"client_address": ipaddress.ip_address("198.51.100.7")},
    ),
    (
        "{client_in: friends}",
        {"client_address": ipaddress.ip_address("198.51.100.7"), "client_name": "mx.friends.example"},
        {"client_address": ipaddress.ip_address("198.51.100.7"), "client_name": "unknown"},
    ),
]


def _hits(tmp_path: Path, line: str, **facts: Any) -> bool:
    bench = Bench(tmp_path, rules(line), LISTS)
    bench.finds["a"] = HIT
    decision = bench.decide(Stage.RCPT, **facts)
    assert isinstance(decision, Reject | Continue)
    return isinstance(decision, Reject)


@pytest.mark.parametrize(("condition", "true", "false"), CASES)
def test_when_asks_only_where_it_holds(
    tmp_path: Path, condition: str, true: dict[str, Any], false: dict[str, Any]
) -> None:
    line = rule("a", "reject", when=f"[{condition}]")
    assert _hits(tmp_path, line, **true)
    assert not _hits(tmp_path, line, **false)


@pytest.mark.parametrize(("condition", "true", "false"), CASES)
def test_unless_asks_only_where_it_does_not_hold(
    tmp_path: Path, condition: str, true: dict[str, Any], false: dict[str, Any]
) -> None:
    line = rule("a", "reject", unless=f"[{condition}]")
    assert not _hits(tmp_path, line, **true)
    assert _hits(tmp_path, line, **false)


@pytest.mark.parametrize(
    ("client", "local"),
    [
        (None, True),
        ("127.0.0.1", True),
        ("10.1.2.3", True),
        ("172.16.0.1", True),
        ("172.32.0.1", False),
        ("192.168.1.1", True),
        ("169.254.1.1", True),
        ("192.0.2.1", False),
        ("203.0.113.1", False),
        ("100.64.0.1", False),
        ("::1", True),
        ("fd00::1", True),
        ("fe80::1", True),
        ("2001:db8::1", False),
    ],
)
def test_local_clients_have_private_addresses(tmp_path: Path, client: str | None, local: bool) -> None:
    address = ipaddress.ip_address(client) if client else None
    assert _hits(tmp_path, rule("a", "reject", when="[local_client]"), client_address=address) is local


def test_all_of_when_must_hold(tmp_path: Path) -> None:
    line = rule("a", "reject", when="[tls, authenticated]")
    assert _hits(tmp_path, line, encryption_protocol="TLSv1.3", sasl_username="alice")
    assert not _hits(tmp_path, line, encryption_protocol="TLSv1.3")


def test_one_of_unless_is_enough(tmp_path: Path) -> None:
    line = rule("a", "reject", unless="[tls, authenticated]")
    assert not _hits(tmp_path, line, sasl_username="alice")


@pytest.mark.parametrize(("score", "hit"), [("2.9", False), ("3", True)])
def test_score_looks_at_the_score_so_far(tmp_path: Path, score: str, hit: bool) -> None:
    bench = Bench(tmp_path, rules(rule("b", f"{{score: {score}}}"), rule("a", "reject", when="[{score: 3}]")))
    bench.finds.update(a=HIT, b=HIT)
    assert isinstance(bench.decide(), Reject) is hit


def test_nothing_is_suspicious_without_a_threshold(tmp_path: Path) -> None:
    bench = Bench(tmp_path, rules(rule("b", "{score: 99}"), rule("a", "reject", when="[suspicious]")))
    bench.finds.update(a=HIT, b=HIT)
    assert isinstance(bench.decide(), Continue)


def test_an_entry_that_has_expired_is_no_friend(tmp_path: Path) -> None:
    lists = {"friends": "entries: [{value: friend.example, expires: 2020-01-01}]\n"}
    bench = Bench(tmp_path, rules(rule("a", "reject", unless="[{sender_in: friends}]")), lists)
    bench.finds["a"] = HIT
    assert isinstance(bench.decide(sender=parse("a@friend.example")), Reject)


def test_every_condition_has_a_test_here() -> None:
    tested = {case[0].strip("{}").partition(":")[0] for case in CASES}
    assert tested | {"hit", "local_client", "suspicious", "score"} == set(KINDS)
