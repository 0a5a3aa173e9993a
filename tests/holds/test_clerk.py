"""The clerk: cards, reminders, the deadline; and that a restart loses nothing."""

import asyncio
import logging
from typing import Any

import pytest

from postward.holds.clerk import CARDS, Clerk
from postward.holds.teller import Teller
from postward.rules.hold import HoldPolicy
from postward.state import StoreDown
from postward.tools import Tools
from tests.dns_zone import ZoneDns
from tests.holds.tickets import HOUR, Told, find, kit, knock
from tests.pretend import Clock


def clerk(tools: Tools, *ways: Told, policy: HoldPolicy | None = None) -> Clerk:
    return Clerk(lambda: tools, lambda: policy or HoldPolicy(), Teller(ways, tools.clock))


async def look_after(one: Clerk, rounds: int = 3) -> None:
    for _ in range(rounds):
        await one.round()
        await one.settled()
    await one.close()


def work(tools: Tools, *ways: Told, policy: HoldPolicy | None = None) -> None:
    """A clerk that has just started and does what there is to do."""
    asyncio.run(look_after(clerk(tools, *ways, policy=policy)))


def later(tools: Tools, hours: float) -> None:
    assert isinstance(tools.clock, Clock)
    tools.clock.pass_by(hours * HOUR)


def test_a_new_ticket_gets_its_card() -> None:
    tools = kit()
    knock(tools)
    work(tools)
    assert find(tools).card["mx"] == "none: there is no such name"


def test_a_card_is_made_once() -> None:
    tools = kit()
    knock(tools)
    work(tools)
    assert isinstance(tools.dns, ZoneDns)
    asked = len(tools.dns.queries)
    work(tools)
    assert len(tools.dns.queries) == asked


def test_few_cards_at_a_time_but_all_in_the_end() -> None:
    tools = kit()
    for number in range(10):
        knock(tools, f"n{number}.example")

    async def main() -> None:
        one = clerk(tools)
        await one.round()
        assert len(one._cards) == CARDS
        await look_after(one, 5)

    asyncio.run(main())
    assert all(find(tools, f"n{number}.example").card for number in range(10))


def test_in_a_flood_all_are_looked_through_now_and_then() -> None:
    tools, told = kit(), Told()
    for number in range(150):
        knock(tools, f"n{number}.example")
    later(tools, 1)  # no cards are waited for
    one = clerk(tools, told)

    async def rounds(count: int) -> None:
        for _ in range(count):
            await one.round()
            await one.settled()

    async def main() -> None:
        await rounds(1)
        assert len(told.notices[0].tickets) == 150
        await tools.store.holds.meet("late.example", now=tools.clock.wall(), evidence="", knock={})
        later(tools, 1)
        await rounds(29)
        assert len(told.notices) == 1
        await rounds(1)
        assert told.domains[1:] == [["late.example"]]
        await one.close()

    asyncio.run(main())


def test_people_are_told_at_once_and_at_each_reminder() -> None:
    tools, told = kit(), Told()
    knock(tools)
    for hours in (0, 1, 3, 8, 7.9, 4):  # 0, 1, 4, 12, 19.9, 23.9 hours after it was opened
        later(tools, hours)
        work(tools, told)
    assert len(told.notices) == 4


def test_several_domains_are_one_notice() -> None:
    tools, told = kit(), Told()
    for name in ("a.example", "b.example"):
        knock(tools, name)
    work(tools, told)
    assert [sorted(names) for names in told.domains] == [["a.example", "b.example"]]


def test_after_a_restart_nothing_is_told_again() -> None:
    tools, told = kit(), Told()
    knock(tools)
    work(tools, told)
    work(tools, told)
    assert len(told.notices) == 1


def test_what_was_decided_is_not_told_any_more() -> None:
    tools, told = kit(), Told()
    ticket = knock(tools)
    asyncio.run(tools.store.holds.decide(ticket.id, "denied", now=0, by="carol", note=""))
    work(tools, told)
    assert told.notices == []


@pytest.mark.parametrize(("word", "verdict"), [("accept", "approved"), ("reject", "denied")])
def test_at_the_deadline_it_is_decided(word: Any, verdict: str) -> None:
    tools = kit()
    knock(tools)
    later(tools, 24)
    work(tools, policy=HoldPolicy(on_deadline=word))
    decided = find(tools)
    assert (decided.verdict, decided.decided_by, decided.note) == (
        verdict,
        "deadline",
        f"on_deadline: {word}",
    )


@pytest.mark.parametrize("word", ["quarantine", "defer"])
def test_or_it_goes_on_waiting_for_a_person(word: Any) -> None:
    tools = kit()
    knock(tools)
    later(tools, 25)
    work(tools, policy=HoldPolicy(on_deadline=word))
    assert find(tools).verdict == "waiting"


def test_before_the_deadline_nothing_is_decided() -> None:
    tools = kit()
    knock(tools)
    later(tools, 23.99)
    work(tools)
    assert find(tools).verdict == "waiting"


def test_a_store_that_is_down_is_logged_once_and_survived(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def down(*_: object, **__: object) -> Any:
        raise StoreDown("disk full")

    tools = kit()
    knock(tools)
    one = clerk(tools)
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(tools.store.holds, "tickets", down)
        asyncio.run(look_after(one))
    assert caplog.messages == ["held domains are not looked after: disk full"]
    asyncio.run(look_after(one))
    assert find(tools).card


def test_it_ends_when_it_is_cancelled() -> None:
    async def main() -> None:
        tools = kit()
        tools.dns = ZoneDns(delay=30)
        await tools.store.holds.meet("new.example", now=0, evidence="", knock={})
        task = asyncio.create_task(clerk(tools).run())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
