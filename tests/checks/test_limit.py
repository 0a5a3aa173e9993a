"""Limits: who is counted, what, in which windows; nobody is charged twice."""

import asyncio
import ipaddress
from typing import Any

import pytest

from postward.address import NULL, parse
from postward.checks.limit import Limit
from postward.finding import CLEAR, Clear, Finding, Hit, Unsure
from postward.mail import Mail
from postward.stage import Stage
from postward.state import Count, StoreDown, Window
from postward.store.memory import MemoryStore
from postward.tools import Tools
from tests.pretend import Clock, look, tools

TWO_A_MINUTE = (Window(2, 60),)


class Sender:
    """Somebody who sends, message after message."""

    def __init__(self, check: Limit, store: MemoryStore | None = None) -> None:
        self.check = check
        self.clock = Clock()
        self.kit: Tools = tools(clock=self.clock)
        self.kit.store = store or MemoryStore()
        self.sent = 0

    def send(self, *, again: bool = False, **facts: Any) -> Finding:
        """One message; `again`: Postfix repeats its question about the last one."""
        self.sent += not again
        known = {
            "client_address": ipaddress.ip_address("192.0.2.1"),
            "sender": parse("alice@example.net"),
            "sasl_username": "alice",
            "recipient": parse("bob@example.org"),
            "recipient_count": 1,
            "instance": f"i{self.sent}",
            **facts,
        }
        return asyncio.run(look(self.check, Mail(Stage.DATA, known), self.kit))


def _messages(**options: Any) -> Sender:
    return Sender(Limit(**{"of": "login", "count": "messages", "windows": TWO_A_MINUTE, **options}))


def test_there_is_room_up_to_the_limit() -> None:
    sender = _messages()
    found = [sender.send() for _ in range(3)]
    assert found[:2] == [CLEAR, CLEAR]
    assert isinstance(found[2], Hit)


def test_the_hit_says_what_is_full() -> None:
    sender = _messages()
    for _ in range(2):
        sender.send()
    found = sender.send()
    assert isinstance(found, Hit)
    assert found.reason == "full"
    assert found.detail == "alice: 2 of 2 in 60 s"
    assert (found.values["limit"], found.values["per"], found.values["used"]) == ("2", "60", "2")
    assert 59 <= int(found.values["wait"]) <= 62


def test_room_comes_back() -> None:
    sender = _messages()
    for _ in range(3):
        sender.send()
    sender.clock.pass_by(62)
    assert sender.send() == CLEAR


def test_asked_again_nothing_is_charged_twice() -> None:
    sender = _messages()
    for _ in range(2):
        sender.send()
        assert sender.send(again=True) == CLEAR
    assert isinstance(sender.send(), Hit)


def test_a_refused_message_is_not_charged() -> None:
    sender = _messages(windows=(Window(1, 60), Window(10, 3600)))
    sender.send()
    for _ in range(20):
        sender.send()
    sender.clock.pass_by(62)
    assert sender.send() == CLEAR


def test_all_windows_must_have_room() -> None:
    sender = _messages(windows=(Window(100, 60), Window(1, 3600)))
    sender.send()
    found = sender.send()
    assert isinstance(found, Hit)
    assert found.values["per"] == "3600"


def test_recipients_are_counted_by_their_number() -> None:
    sender = _messages(count="recipients", windows=(Window(10, 60),))
    assert sender.send(recipient_count=9) == CLEAR
    assert isinstance(sender.send(recipient_count=2), Hit)
    assert sender.send(recipient_count=1) == CLEAR


def test_attempts_are_counted_for_each_recipient() -> None:
    sender = _messages(count="attempts")
    sender.send()
    for name in ("bob", "carol"):
        assert sender.send(again=True, recipient=parse(f"{name}@example.org")) == CLEAR
    assert isinstance(sender.send(again=True, recipient=parse("dave@example.org")), Hit)
    assert sender.send(again=True, recipient=parse("carol@example.org")) == CLEAR


@pytest.mark.parametrize(
    ("of", "same", "other"),
    [
        ("login", {"sasl_username": "ALICE"}, {"sasl_username": "bob"}),
        (
            "client",
            {"client_address": ipaddress.ip_address("192.0.2.99")},
            {"client_address": ipaddress.ip_address("192.0.3.1")},
        ),
        ("sender", {"sender": parse("Alice@example.net")}, {"sender": parse("bob@example.net")}),
    ],
)
def test_whose_limit_it_is(of: str, same: dict[str, Any], other: dict[str, Any]) -> None:
    sender = _messages(of=of)
    sender.send()
    sender.send(**same)
    assert isinstance(sender.send(**same), Hit)
    assert sender.send(**other) == CLEAR


@pytest.mark.parametrize(
    ("of", "facts"),
    [("login", {"sasl_username": ""}), ("client", {"client_address": None}), ("sender", {"sender": NULL})],
)
def test_nobody_has_no_limit(of: str, facts: dict[str, Any]) -> None:
    sender = _messages(of=of)
    for _ in range(5):
        assert isinstance(sender.send(**facts), Clear)


def test_two_limits_of_the_same_login_count_both() -> None:
    sender = _messages(windows=(Window(1, 60),))
    other = Sender(Limit("login", "messages", (Window(3, 60),)))
    other.kit = sender.kit
    sender.send()
    other.send()
    assert isinstance(sender.send(), Hit)
    assert other.send() == CLEAR


@pytest.mark.parametrize(
    "window", [Window(0, 60), Window(-1, 60), Window(1, 0), Window(1, 31 * 86_400 + 1)], ids=str
)
def test_a_window_that_cannot_be(window: Window) -> None:
    with pytest.raises(ValueError, match="a window needs"):
        Limit("login", "messages", (window,))


def test_a_store_that_is_down_cannot_tell() -> None:
    async def down(*_: object, **__: object) -> tuple[Count, ...]:
        raise StoreDown("disk full")

    store = MemoryStore()
    store.counters.hit = down  # type: ignore[method-assign]  # the fault under test
    sender = Sender(Limit("login", "messages", TWO_A_MINUTE), store)
    assert sender.send() == Unsure("store: disk full")


def test_attempts_without_an_instance_are_all_counted() -> None:
    sender = _messages(of="client", count="attempts")
    found = [sender.send(instance="") for _ in range(3)]
    assert isinstance(found[2], Hit)
