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

ZONE = """
new.example.             TXT  "v=spf1 ip4:192.0.2.7 -all"
7.2.0.192.in-addr.arpa.  PTR  mx.new.example.
mx.new.example.          A    192.0.2.7
"""


def kit(*words: tuple[str, str, str], lasts: float | None = None, clients: tuple[str, ...] = ()) -> Tools:
    tools = Tools(ZoneDns(ZONE), MemoryStore(), Clock(), {})
    now = tools.clock.wall()
    for kind, value, verdict in words:
        expires = None if lasts is None else now + lasts
        asyncio.run(tools.store.holds.say(Word(kind, value, verdict, "carol", "", now, expires, "", clients)))
    return tools


def found(
    tools: Tools, verdict: Any, sender: str = "Alice@new.example", client: str = "192.0.2.7"
) -> Finding:
    known = {
        "client_address": ipaddress.ip_address(client),
        "sender": parse(sender),
        "helo_name": "mx.new.example",
        "reverse_client_name": "unknown",
    }
    return asyncio.run(look(Decided(verdict), Mail(Stage.MAIL, known), tools.for_message()))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("domain", "new.example"),
        ("address", "alice@new.example"),
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


@pytest.mark.parametrize(
    "denied",
    [
        ("network", "192.0.2.0/24", "denied"),
        ("client", "192.0.2.7", "denied"),
        ("domain", "new.example", "denied"),
    ],
)
def test_any_denial_goes_before_all_approvals(denied: tuple[str, str, str]) -> None:
    tools = kit(denied, ("address", "alice@new.example", "approved"))
    assert isinstance(found(tools, "denied"), Hit)
    assert found(tools, "approved") == CLEAR


FORGER = "203.0.113.5"
NAMES = [("domain", "new.example", "approved"), ("address", "alice@new.example", "approved")]


@pytest.mark.parametrize("word", NAMES)
def test_an_approved_name_that_is_forged_is_no_hit(word: tuple[str, str, str]) -> None:
    assert found(kit(word), "approved", client=FORGER) == CLEAR


@pytest.mark.parametrize("word", NAMES)
def test_it_counts_for_the_network_of_a_client_that_it_was_said_about(word: tuple[str, str, str]) -> None:
    tools = kit(word, clients=("198.51.100.9", "203.0.113.99"))
    assert isinstance(found(tools, "approved", client=FORGER), Hit)


@pytest.mark.parametrize("word", NAMES)
def test_a_denied_name_counts_whoever_writes_it(word: tuple[str, str, str]) -> None:
    assert isinstance(found(kit((*word[:2], "denied")), "denied", client=FORGER), Hit)


@pytest.mark.parametrize(
    "sender",
    ["a@evil.example", "A@EVIL.example", "a@evil.example.", '"a"@evil.example', "@r.example:a@evil.example"],
)
def test_an_address_has_one_spelling(sender: str) -> None:
    assert isinstance(found(kit(("address", "a@evil.example", "denied")), "denied", sender), Hit)


def test_a_sender_without_a_domain_counts_by_its_network() -> None:
    tools = kit(("domain", "[203.0.113.0/24]", "approved"))
    assert isinstance(found(tools, "approved", "nobody", client=FORGER), Hit)
    assert found(tools, "approved", "nobody") == CLEAR


def test_a_word_that_has_ended() -> None:
    tools = kit(("domain", "new.example", "denied"), lasts=60)
    assert isinstance(found(tools, "denied"), Hit)
    assert isinstance(tools.clock, Clock)
    tools.clock.pass_by(61)
    assert found(tools, "denied") == CLEAR


@pytest.mark.parametrize("verdict", ["approved", "denied"])
def test_a_bounce_counts_by_its_verified_host(verdict: str) -> None:
    tools = kit(("domain", "new.example", verdict))
    assert isinstance(found(tools, verdict, sender="<>"), Hit)
    assert found(tools, verdict, sender="<>", client=FORGER) == CLEAR


def test_a_store_that_is_down_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def down(*_: object, **__: object) -> Any:
        raise StoreDown("disk full")

    tools = kit()
    monkeypatch.setattr(tools.store.holds, "words", down)
    assert found(tools, "denied") == Unsure("store: disk full")
