"""Lists as a check: which fact is looked up, and what the hit tells."""

import asyncio
import ipaddress
from typing import Any, Literal

import pytest

from postward.address import NULL, parse
from postward.checks.listed import Listed, parse_login
from postward.finding import CLEAR, Finding, Hit
from postward.mail import Mail
from postward.stage import Stage
from tests.checks.entries import list_of
from tests.pretend import Clock, look, tools

Match = Literal["client", "helo", "sender", "recipient", "login"]
FACTS: dict[str, Any] = {
    "client_address": ipaddress.ip_address("192.0.2.1"),
    "client_name": "mx.client.example",
    "helo_name": "mx.helo.example",
    "sender": parse("alice@sender.example"),
    "recipient": parse("bob@recipient.example"),
    "sasl_username": "carol@login.example",
}
CASES: list[tuple[Match, str]] = [
    ("client", "192.0.2.0/24"),
    ("client", ".client.example"),
    ("helo", ".helo.example"),
    ("helo", "mx.helo.example"),
    ("sender", "alice@sender.example"),
    ("sender", "sender.example"),
    ("recipient", "bob@"),
    ("recipient", "recipient.example"),
    ("login", "carol@login.example"),
    ("login", "login.example"),
]


def _look(match: Match, *values: str, clock: Clock | None = None, **facts: Any) -> Finding:
    mail = Mail(Stage.RCPT, {**FACTS, **facts})
    kit = tools(clock=clock, lists={"x": list_of(*values)})
    return asyncio.run(look(Listed(match, "x"), mail, kit))


@pytest.mark.parametrize(("match", "value"), CASES)
def test_its_fact_is_looked_up(match: Match, value: str) -> None:
    assert _look(match, value) == Hit("listed", f"x: {value}", {"entry": value, "note": "why"})


@pytest.mark.parametrize(("match", "value"), CASES)
def test_no_other_fact_is(match: Match, value: str) -> None:
    others = {"client", "helo", "sender", "recipient", "login"} - {match}
    for other in others:
        assert _look(other, value) == CLEAR  # type: ignore[arg-type]  # the words of Match


@pytest.mark.parametrize(
    ("match", "facts"),
    [
        ("client", {"client_address": None, "client_name": "unknown"}),
        ("helo", {"helo_name": ""}),
        ("sender", {"sender": NULL}),
        ("login", {"sasl_username": ""}),
    ],
)
def test_what_is_not_there_is_on_no_list(match: Match, facts: dict[str, Any]) -> None:
    assert _look(match, "0.0.0.0/0", ".example", "unknown", **facts) == CLEAR


def test_an_entry_is_on_the_list_until_it_expires() -> None:
    clock = Clock()
    kit = tools(clock=clock, lists={"x": list_of("192.0.2.1", expires=clock.wall() + 10)})
    check, mail = Listed("client", "x"), Mail(Stage.RCPT, FACTS)
    assert isinstance(asyncio.run(look(check, mail, kit)), Hit)
    clock.pass_by(10)
    assert asyncio.run(look(check, mail, kit)) == CLEAR


def test_it_names_the_list_that_must_exist() -> None:
    assert Listed("client", "friends").lists == {"friends"}


@pytest.mark.parametrize(
    ("login", "local", "domain"),
    [("alice", "alice", None), ("alice@example.org", "alice", "example.org"), ("", "", None)],
)
def test_a_login_is_an_address_or_a_name(login: str, local: str, domain: str | None) -> None:
    address = parse_login(login)
    assert (address.local, address.domain) == (local, domain)


def test_a_bare_login_is_listed_by_its_name() -> None:
    assert isinstance(_look("login", "carol@", sasl_username="Carol"), Hit)


def test_a_helo_in_u_labels_is_on_the_list_too() -> None:
    assert isinstance(_look("helo", ".böse.example", helo_name="mx.BÖSE.example"), Hit)
    assert _look("helo", ".böse.example", helo_name="mx.bö se.example") == CLEAR
