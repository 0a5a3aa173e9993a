"""Known correspondents: whom our users have written to."""

import asyncio

import pytest

from postward.address import parse
from postward.checks.known_correspondent import KnownCorrespondent
from postward.derive.correspondent import any_key, pair_key
from postward.finding import CLEAR, Finding, Hit, Unsure
from postward.mail import Mail
from postward.stage import Stage
from postward.state import Sighting, StoreDown
from postward.store.memory import MemoryStore
from postward.tools import Tools
from tests.pretend import Clock, look, tools

US, THEM = "alice@example.org", "bob@example.net"


def _kit(clock: Clock | None = None) -> Tools:
    """Alice has written to Bob."""
    kit = tools(clock=clock or Clock(), own_domains=frozenset({"example.org"}))
    kit.store = MemoryStore()
    for key in (pair_key(parse(THEM), parse(US)), any_key(parse(THEM))):
        kit.store.seen.note(key, now=kit.clock.wall(), keep=1000)
    return kit


def _look(sender: str, recipient: str = US, *, anybody: bool = False, kit: Tools | None = None) -> Finding:
    mail = Mail(Stage.RCPT, {"sender": parse(sender), "recipient": parse(recipient)})
    return asyncio.run(look(KnownCorrespondent(anybody), mail, kit or _kit()))


def test_an_answer_is_known() -> None:
    assert _look(THEM) == Hit("known", "written to 1 times, 0 days ago")


@pytest.mark.parametrize(
    ("sender", "recipient"), [("BOB@example.net", "Alice+lists@Example.org"), (THEM, "alice+@example.org")]
)
def test_case_and_our_tag_do_not_matter(sender: str, recipient: str) -> None:
    assert isinstance(_look(sender, recipient), Hit)


@pytest.mark.parametrize(
    ("sender", "recipient"),
    [("eve@example.net", US), (THEM, "carol@example.org"), ("", US), ("bob", US), (US, THEM)],
)
def test_others_are_not(sender: str, recipient: str) -> None:
    assert _look(sender, recipient) == CLEAR


def test_anybody_of_us_may_have_written() -> None:
    assert isinstance(_look(THEM, "carol@example.org", anybody=True), Hit)
    assert _look("eve@example.net", anybody=True) == CLEAR


def test_anybody_needs_no_recipient() -> None:
    assert KnownCorrespondent(anybody=True).needs == {"sender"}


def test_a_sender_of_our_own_domain_is_nobodys_correspondent() -> None:
    kit = _kit()
    kit.store.seen.note(any_key(parse(US)), now=kit.clock.wall(), keep=1000)
    assert _look(US, anybody=True, kit=kit) == CLEAR


def test_it_is_forgotten_in_time() -> None:
    kit = _kit(clock := Clock())
    clock.pass_by(1001)
    assert _look(THEM, kit=kit) == CLEAR


def test_a_store_that_is_down_cannot_tell() -> None:
    async def down(key: str, *, now: float) -> Sighting | None:
        raise StoreDown("disk full")

    kit = _kit()
    kit.store.seen.find = down  # type: ignore[method-assign]  # the fault under test
    assert _look(THEM, kit=kit) == Unsure("store: disk full")
