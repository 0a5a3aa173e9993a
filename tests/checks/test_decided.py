"""A person's word."""

import asyncio
import ipaddress
from typing import Any

import pytest

from postward.address import parse
from postward.checks.decided import Decided
from postward.finding import CLEAR, Finding, Hit, Unsure
from postward.mail import Mail
from postward.stage import Stage
from postward.state import StoreDown, Word
from postward.store.memory import MemoryStore
from postward.tools import Tools
from tests.dns_zone import ZoneDns
from tests.pretend import Clock, look


def kit(*words: tuple[str, str, str], lasts: float | None = None) -> Tools:
    tools = Tools(ZoneDns(), MemoryStore(), Clock(), {})
    now = tools.clock.wall()
    for kind, value, verdict in words:
        expires = None if lasts is None else now + lasts
        asyncio.run(tools.store.holds.say(Word(kind, value, verdict, "carol", "", now, expires)))
    return tools


def found(tools: Tools, verdict: Any, sender: str = "Alice@mail.new.example") -> Finding:
    known = {
        "client_address": ipaddress.ip_address("192.0.2.7"),
        "sender": parse(sender),
        "helo_name": "mx.new.example",
        "reverse_client_name": "unknown",
    }
    return asyncio.run(look(Decided(verdict), Mail(Stage.MAIL, known), tools.for_message()))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("domain", "new.example"),
        ("address", "alice@mail.new.example"),
        ("client", "192.0.2.7"),
        ("network", "192.0.2.0/24"),
    ],
)
@pytest.mark.parametrize("verdict", ["approved", "denied"])
def test_each_kind_of_word(kind: str, value: str, verdict: str) -> None:
    hit = found(kit((kind, value, verdict)), verdict)
    assert hit == Hit(verdict, f"{kind} {value} by carol", {"kind": kind, "value": value})


def test_a_word_of_the_other_kind_is_no_hit() -> None:
    assert found(kit(("domain", "new.example", "denied")), "approved") == CLEAR


def test_nobody_has_said_anything() -> None:
    assert found(kit(), "denied") == CLEAR


def test_the_narrowest_word_holds() -> None:
    tools = kit(("network", "192.0.2.0/24", "denied"), ("domain", "new.example", "approved"))
    assert found(tools, "denied") == CLEAR
    assert isinstance(found(tools, "approved"), Hit)


def test_a_word_that_has_ended() -> None:
    tools = kit(("domain", "new.example", "denied"), lasts=60)
    assert isinstance(found(tools, "denied"), Hit)
    assert isinstance(tools.clock, Clock)
    tools.clock.pass_by(61)
    assert found(tools, "denied") == CLEAR


def test_a_bounce_counts_by_its_host() -> None:
    assert isinstance(found(kit(("domain", "new.example", "denied")), "denied", sender="<>"), Hit)


def test_a_store_that_is_down_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def down(*_: object, **__: object) -> Any:
        raise StoreDown("disk full")

    tools = kit()
    monkeypatch.setattr(tools.store.holds, "words", down)
    assert found(tools, "denied") == Unsure("store: disk full")
