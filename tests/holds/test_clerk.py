"""The clerk: cards, reminders, the deadline; and that a restart loses nothing."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from postward.holds import clerk as clerks
from postward.holds.clerk import AT_ONCE, CARDS, Clerk
from postward.holds.teller import Teller
from postward.rules.hold import HoldPolicy
from postward.state import StoreDown
from postward.store.factory import open_store
from postward.tools import Tools
from tests.dns_zone import ZoneDns
from tests.holds.tickets import HOUR, Told, find, kit, knock
from tests.pretend import Clock


def clerk(tools: Tools, *ways: Told, policy: HoldPolicy | None = None) -> Clerk:
    return Clerk(lambda: tools, lambda: policy or HoldPolicy(), Teller(ways, tools.clock))


async def look_after(one: Clerk, tools: Tools, rounds: int = 3) -> None:
    for _ in range(rounds):
        await one.round()
        await one.settled()
        assert isinstance(tools.clock, Clock)
        tools.clock.pass_by(2)


def work(tools: Tools, *ways: Told, policy: HoldPolicy | None = None) -> None:
    """A clerk that has just started and does what there is to do."""

    async def main() -> None:
        one = clerk(tools, *ways, policy=policy)
        await look_after(one, tools)
        await one.close()

    asyncio.run(main())


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
        later(tools, 1)
        await look_after(one, tools, 5)
        await one.close()

    asyncio.run(main())
    assert all(find(tools, f"n{number}.example").card for number in range(10))


def test_in_a_flood_all_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    tools, told = kit(), Told()
    monkeypatch.setattr(clerks, "AT_ONCE", 50)
    for number in range(170):
        knock(tools, f"n{number}.example")
    later(tools, 1)  # no cards are waited for

    async def main() -> None:
        one = clerk(tools, told)
        await look_after(one, tools, 5)
        names = [name for notice in told.domains for name in notice]
        assert sorted(names) == sorted(f"n{number}.example" for number in range(170))
        assert max(map(len, told.domains)) == 50
        await one.close()

    asyncio.run(main())


def test_in_a_flood_the_oldest_are_told_of_and_decided_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many newer ones wait for a card."""
    tools, told = kit(), Told()
    monkeypatch.setattr(clerks, "CARDS", 0)
    monkeypatch.setattr(clerks, "AT_ONCE", 20)
    knock(tools, "old.example")
    work(tools, told)
    later(tools, 23.99)
    for number in range(100):
        knock(tools, f"n{number}.example")
    work(tools, told)
    assert ["old.example"] in told.domains
    later(tools, 0.02)

    async def main() -> None:
        one = clerk(tools, told)
        await look_after(one, tools, 8)
        await one.close()

    asyncio.run(main())
    assert find(tools, "old.example").decided_by == "deadline"


def test_what_is_not_due_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    tools, told = kit(), Told()
    knock(tools)

    async def main() -> None:
        one = clerk(tools, told)
        await look_after(one, tools, 5)
        assert await tools.store.holds.due(now=tools.clock.wall(), limit=AT_ONCE) == ()
        later(tools, 4)
        assert len(await tools.store.holds.due(now=tools.clock.wall(), limit=AT_ONCE)) == 1
        await one.close()

    asyncio.run(main())


def test_another_policy_holds_at_once_for_all_that_wait() -> None:
    tools, told = kit(), Told()
    policies = [HoldPolicy(remind=())]
    knock(tools)

    async def main() -> None:
        one = Clerk(lambda: tools, lambda: policies[-1], Teller([told], tools.clock))
        await look_after(one, tools)
        later(tools, 2)
        await look_after(one, tools)
        assert len(told.notices) == 1
        policies.append(HoldPolicy(remind=(HOUR,)))
        await look_after(one, tools)
        assert len(told.notices) == 2
        await one.close()

    asyncio.run(main())


def test_a_way_that_failed_is_told_after_a_restart() -> None:
    tools, mail, hook = kit(), Told("mail"), Told("webhook")
    hook.fails = "x"
    knock(tools)
    work(tools, mail, hook)
    assert find(tools).reminded == {"mail": 1}
    hook.fails = ""
    work(tools, mail, hook)
    assert (len(mail.notices), len(hook.notices)) == (1, 1)
    assert find(tools).reminded == {"mail": 1, "webhook": 1}


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


@pytest.mark.parametrize("verb", ["due", "put_all_due", "put_due", "put_card"])
def test_a_store_that_is_down_is_logged_once_and_survived(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, verb: str
) -> None:
    async def main() -> None:
        tools, told = kit(), Told()
        await tools.store.holds.meet("new.example", now=tools.clock.wall(), evidence="", knock={})
        one = clerk(tools, told)
        with monkeypatch.context() as patch:
            patch.setattr(tools.store.holds, verb, down)
            await look_after(one, tools)
        await look_after(one, tools, 4)
        ticket = await tools.store.holds.find("new.example")
        assert ticket is not None
        assert ticket.card
        assert len(told.notices) == 1
        await one.close()

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    assert caplog.messages == ["held domains are not looked after: disk full"]


async def down(*_: object, **__: object) -> Any:
    raise StoreDown("disk full")


def test_a_deadline_that_cannot_be_written_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        tools = kit()
        await tools.store.holds.meet("new.example", now=tools.clock.wall(), evidence="", knock={})
        later(tools, 25)
        one = clerk(tools)
        with monkeypatch.context() as patch:
            patch.setattr(tools.store.holds, "decide", down)
            await look_after(one, tools)
        await look_after(one, tools)
        await one.close()
        ticket = await tools.store.holds.find("new.example")
        assert ticket is not None
        assert ticket.decided_by == "deadline"

    asyncio.run(main())


def test_the_deadline_does_not_decide_against_a_person_who_was_faster() -> None:
    tools = kit()
    ticket = knock(tools)
    later(tools, 25)
    holds = tools.store.holds
    read = holds.due

    async def read_then_a_person_decides(*, now: float, limit: int) -> Any:
        found = await read(now=now, limit=limit)
        await holds.decide(ticket.id, "denied", now=now, by="carol", note="")
        return found

    holds.due = read_then_a_person_decides  # type: ignore[method-assign]  # the race
    work(tools)
    assert (find(tools).verdict, find(tools).decided_by) == ("denied", "carol")


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


HOURS_SET = pytest.mark.parametrize("hours", [25, -1, 10 * 365 * 24])


def jumping(tmp_path: Path) -> tuple[Tools, Clock]:
    """A store whose time follows the monotonic clock, as policyd's does."""
    clock = Clock()
    store = open_store("sqlite", tmp_path / "state.db", steady=clock.monotonic)
    return Tools(ZoneDns(), store, clock, {}), clock


@HOURS_SET
def test_a_clock_that_is_set_decides_nothing(tmp_path: Path, hours: float) -> None:
    tools, clock = jumping(tmp_path)

    async def main() -> None:
        await tools.store.holds.meet("new.example", now=clock.wall(), evidence="", knock={})
        one = clerk(tools)
        await look_after(one, tools)
        clock._wall += hours * HOUR
        await look_after(one, tools)
        await tools.store.holds.meet("late.example", now=clock.wall(), evidence="", knock={})
        await look_after(one, tools)
        clock._wall -= hours * HOUR
        await look_after(one, tools)
        assert [each.verdict for each in await tools.store.holds.tickets()] == ["waiting", "waiting"]
        clock.pass_by(24 * HOUR)
        await look_after(one, tools)
        assert [each.decided_by for each in await tools.store.holds.tickets()] == ["deadline", "deadline"]
        await one.close()

    asyncio.run(main())
    tools.store.close()  # type: ignore[attr-defined]  # one that is opened here


def test_in_a_round_in_which_the_clock_jumped_nothing_is_decided() -> None:
    """Also where the store has no other clock."""
    tools = kit()
    knock(tools)

    async def main() -> None:
        one = clerk(tools)
        await one.round()
        assert isinstance(tools.clock, Clock)
        tools.clock._wall += 25 * HOUR
        await one.round()
        assert [each.verdict for each in await tools.store.holds.tickets()] == ["waiting"]
        await look_after(one, tools)
        assert [each.decided_by for each in await tools.store.holds.tickets()] == ["deadline"]
        await one.close()

    asyncio.run(main())


def test_a_card_about_a_forger_is_not_written_over_a_better_one() -> None:
    tools = kit()
    knock(tools)

    async def main() -> None:
        one = clerk(tools)
        await one.round()
        await tools.store.holds.meet(
            "new.example", now=tools.clock.wall(), evidence="", knock={"client": "192.0.2.77"}, verified=True
        )
        await one.settled()
        await one._put_cards(tools)
        held = await tools.store.holds.find("new.example")
        assert held is not None
        assert (held.knock["client"], held.card) == ("192.0.2.77", {})
        await look_after(one, tools)
        held = await tools.store.holds.find("new.example")
        assert held is not None
        assert held.card["network"] == "192.0.2.0/24"
        await one.close()

    asyncio.run(main())


def test_a_ticket_about_a_network_gets_a_card_about_it() -> None:
    tools = kit()
    knock(tools, "[192.0.2.0/24]")
    work(tools)
    assert set(find(tools, "[192.0.2.0/24]").card) == {"rdns", "network", "dns lists", "rating"}
