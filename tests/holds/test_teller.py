"""Telling: pauses, failures, alarms."""

import asyncio
import logging

import pytest

from postward.holds.teller import Teller
from postward.rules.hold import HoldPolicy
from postward.state import StoreDown
from postward.tools import Tools
from tests.holds.tickets import Told, find, kit, knock
from tests.pretend import Clock


def send(teller: Teller, tools: Tools, due: int = 1) -> None:
    async def main() -> None:
        waiting = [(each, due) for each in await tools.store.holds.tickets("waiting")]
        await teller.send(waiting, tools.store.holds, HoldPolicy())

    asyncio.run(main())


def pass_by(tools: Tools, seconds: float) -> None:
    assert isinstance(tools.clock, Clock)
    tools.clock.pass_by(seconds)


def test_between_two_notices_there_is_a_pause() -> None:
    tools, told = kit(), Told(pause=600)
    teller = Teller([told], tools.clock)
    for name in ("a.example", "b.example", "c.example"):
        knock(tools, name)
        send(teller, tools)
    assert told.domains == [["a.example"]]
    pass_by(tools, 600)
    send(teller, tools)
    assert [sorted(names) for names in told.domains[1:]] == [["b.example", "c.example"]]


def test_what_failed_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    tools, told = kit(), Told()
    teller = Teller([told], tools.clock)
    knock(tools)
    told.fails = "no route\x1b[2J"
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            send(teller, tools)
            pass_by(tools, 61)
    assert caplog.messages == ["notices by told fail, trying on: no route\\x1b[2J"]
    assert find(tools).reminded == {}
    told.fails = ""
    send(teller, tools)
    assert told.domains == [["new.example"]]
    assert find(tools).reminded == {"told": 1}


def test_a_way_that_fails_does_not_hold_up_the_other() -> None:
    tools, broken, whole = kit(), Told("broken"), Told("whole")
    broken.fails = "x"
    teller = Teller([broken, whole], tools.clock)
    knock(tools)
    send(teller, tools)
    assert whole.domains == [["new.example"]]
    broken.fails = ""
    pass_by(tools, 61)
    send(teller, tools)
    assert broken.domains == whole.domains == [["new.example"]]


def test_alarms_go_the_same_way() -> None:
    tools, told = kit(), Told()
    teller = Teller([told], tools.clock)
    teller.tell("the list zen is off\r\nso is \x1bdbl")
    send(teller, tools)
    send(teller, tools)
    [notice] = told.notices
    assert notice.alarms == ("the list zen is off", "so is \\x1bdbl")


def test_alarms_that_nobody_hears_do_not_fill_the_memory() -> None:
    tools, told = kit(), Told()
    teller = Teller([told], tools.clock)
    for number in range(1_000):
        teller.tell(f"alarm {number}")
    send(teller, tools)
    assert len(told.notices[0].alarms) == 100
    assert told.notices[0].alarms[-1] == "alarm 999"


def test_with_no_way_to_tell_nothing_is_noted() -> None:
    tools = kit()
    knock(tools)
    send(Teller([], tools.clock), tools)
    assert find(tools).reminded == {}


def test_a_reminder_that_cannot_be_noted_is_not_told_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def down(*_: object) -> None:
        raise StoreDown("disk full")

    tools, told = kit(), Told()
    teller = Teller([told], tools.clock)
    for name in ("a.example", "b.example"):
        knock(tools, name)
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(tools.store.holds, "put_reminded", down)
        send(teller, tools)
    send(teller, tools)
    assert len(told.notices) == 1
    assert caplog.messages == ["a reminder is not noted: disk full"]
    send(teller, tools, due=2)
    assert len(told.notices) == 2
    assert find(tools, "a.example").reminded == {"told": 2}


def test_when_a_way_may_tell_what_is_due() -> None:
    tools, told, quick = kit(), Told(pause=600), Told("quick")
    teller = Teller([told, quick], tools.clock)
    ticket = knock(tools)
    assert teller.untold(ticket, 1) == 0
    send(teller, tools)
    assert teller.untold(find(tools), 1) is None
    assert teller.untold(find(tools), 2) == 0  # the quick one
    assert Teller([], tools.clock).untold(ticket, 1) is None
    pass_by(tools, 60)
    quick.fails = "x"
    send(teller, tools, due=2)
    assert teller.untold(find(tools), 2) == 60


def test_only_what_was_shown_counts_as_told_and_the_oldest_are_shown_first() -> None:
    tools, told = kit(), Told(pause=600)
    teller = Teller([told], tools.clock)
    for number in range(90):
        knock(tools, f"n{number}.example")
        pass_by(tools, 1)
    for _ in range(3):
        send(teller, tools)
        pass_by(tools, 600)
    names = [f"n{number}.example" for number in range(90)]
    assert told.domains == [names[:50], names[50:]]
    assert [notice.more for notice in told.notices] == [40, 0]
