"""The life of a list: tested, taken out of use, back again; one alarm each way."""

import asyncio
import ipaddress
import json
import logging
import random
from pathlib import Path

import pytest

from postward.dnslists import guard as guards
from postward.dnslists import statistics
from postward.dnslists.watched import WINDOW
from postward.tools import NoName, Records, Trouble
from tests.dnslists.scripted import KEY, ScriptedDns, Watch, definition, in_order, keyed, watched

ALL = Records(("127.0.0.2",), 300)


def first_client(number: int) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(int(ipaddress.IPv4Address("198.51.100.0")) + number)


def why(watch: Watch) -> str:
    return watch.lists.watched[0].state.why


def test_a_list_in_order_is_on_and_nobody_is_told() -> None:
    watch = watched(ScriptedDns(in_order(definition())), definition())
    assert watch.on() == {"bl": True}
    assert watch.told == []


BROKEN = {
    "everything": (ALL, "lists everything"),
    "nothing": (NoName(300), "127.0.0.2 is not listed"),
    "public resolver": (Records(("127.255.255.254",), 300), "run a resolver of your own"),
    "over the limit": (Records(("127.255.255.255",), 300), "too many queries"),
    "for sale": (Records(("192.0.2.80",), 300), "is no answer of a list"),
    "127.0.0.1": (Records(("127.0.0.1",), 300), "is no answer of a list"),
    "fifteen": (Records(tuple(f"203.0.113.{n}" for n in range(15)), 300), "is no answer of a list"),
}


@pytest.mark.parametrize(("answer", "words"), BROKEN.values(), ids=BROKEN)
def test_a_list_that_fails_its_test_is_off(answer: Records[str] | NoName, words: str) -> None:
    dns = ScriptedDns()
    dns.broken["bl.example"] = answer
    watch = watched(dns, definition())
    assert watch.on() == {"bl": False}
    assert words in why(watch)
    assert asyncio.run(watch.lists.look("client", first_client(7))).unsure == ()
    assert dns.asked == []


def test_only_127_0_0_1_listed_is_enough() -> None:
    dns = ScriptedDns({**in_order(definition()), "1.0.0.127.bl.example": ["127.0.0.2"]})
    watch = watched(dns, definition())
    assert why(watch) == "it lists 127.0.0.1, which no list may: it lists everything"


def test_a_dead_list_is_off_once_the_silence_lasts() -> None:
    dns = ScriptedDns(in_order(definition()))
    watch = watched(dns, definition())
    dns.broken["bl.example"] = Trouble("timeout")
    asyncio.run(watch.after(3600 * 1.2))
    assert watch.on() == {"bl": False}
    assert why(watch) == "timeout"
    assert len(watch.told) == 1


def test_a_silence_that_passes_harms_nothing() -> None:
    dns = ScriptedDns(in_order(definition()))
    watch = Watch(dns, definition())
    dns.broken["bl.example"] = Trouble("resolver is starting")
    asyncio.run(watch.guard.tend())
    assert watch.on() == {"bl": False}
    del dns.broken["bl.example"]
    asyncio.run(watch.after(60))
    assert watch.on() == {"bl": True}
    assert watch.told == []


def test_one_alarm_when_it_goes_and_one_when_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    dns = ScriptedDns(in_order(definition()))
    watch = watched(dns, definition())
    with caplog.at_level(logging.WARNING):
        dns.broken["bl.example"] = ALL
        asyncio.run(watch.after(5 * 3600))
        assert watch.on() == {"bl": False}
        del dns.broken["bl.example"]
        asyncio.run(watch.after(5 * 3600))
    assert watch.on() == {"bl": True}
    gone, back = watch.told
    assert gone.startswith("DNS list bl fails its test and is not asked any more: it lists ")
    assert back == "DNS list bl passes its test again and is asked again"
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", gone),
        ("WARNING", back),
    ]


def test_a_list_that_begins_to_list_everything_is_off_within_ten_minutes() -> None:
    dns = ScriptedDns(in_order(definition()))
    watch = watched(dns, definition())
    asyncio.run(watch.after(1800))
    dns.broken["bl.example"] = ALL
    asyncio.run(watch.after(600))
    assert watch.on() == {"bl": False}


def test_a_list_that_is_off_is_tested_every_ten_minutes() -> None:
    dns = ScriptedDns()
    watch = watched(dns, definition())
    assert watch.on() == {"bl": False}
    dns.answers.update({name: tuple(values) for name, values in in_order(definition()).items()})
    asyncio.run(watch.after(600))
    assert watch.on() == {"bl": True}


def test_a_list_in_order_is_tested_about_every_hour() -> None:
    dns = ScriptedDns(in_order(definition()))
    watch = watched(dns, definition())
    asyncio.run(watch.after(24 * 3600))
    assert 21 <= dns.asked.count("2.0.0.127.bl.example") <= 28


@pytest.mark.parametrize("value", ["127.255.255.254", "192.0.2.1"])
def test_an_answer_that_no_list_gives_brings_the_test_forward(value: str) -> None:
    dns = ScriptedDns(in_order(definition()))
    watch = watched(dns, definition())
    asyncio.run(watch.after(120))
    dns.broken["bl.example"] = Records((value,), 300)
    asyncio.run(watch.lists.look("client", first_client(7)))
    asyncio.run(watch.guard.tend())
    assert watch.on() == {"bl": False}


def test_suspicion_asks_for_no_more_than_a_test_a_minute() -> None:
    dns = ScriptedDns(in_order(definition()))
    watch = watched(dns, definition())
    dns.broken["7.100.51.198.bl.example"] = Records(("127.255.255.255",), 300)

    async def a_minute_of_mail() -> None:
        for _ in range(60):
            await watch.lists.look("client", first_client(7))
            watch.clock.pass_by(1)
            await watch.guard.tend()

    asyncio.run(a_minute_of_mail())
    assert watch.on() == {"bl": True}
    assert dns.asked.count("2.0.0.127.bl.example") == 1


def _meet(watch: Watch, *numbers: int) -> None:
    async def all_of_them() -> None:
        for number in numbers:
            await watch.lists.look("client", first_client(number))

    asyncio.run(all_of_them())


def _listing(watch: Watch, names: tuple[str, ...], share: float) -> None:
    for number in range(int(WINDOW * share) + 1):
        for name in names:
            labels = ".".join(reversed(str(first_client(number)).split(".")))
            watch.dns.answers[f"{labels}.{name}.example"] = ("127.0.0.2",)


def test_a_list_that_has_nearly_everybody_alone_is_tested_now() -> None:
    lists = definition("bl"), definition("other")
    watch = watched(ScriptedDns(in_order(*lists)), *lists)
    _listing(watch, ("bl",), 0.9)
    _meet(watch, *range(WINDOW))
    assert watch.lists.watched[0].suspect == "it lists 181 of 200 different subjects in a row, others do not"
    assert watch.lists.watched[1].suspect == ""


def test_a_list_that_others_agree_with_is_not_suspect() -> None:
    lists = definition("bl"), definition("other")
    watch = watched(ScriptedDns(in_order(*lists)), *lists)
    _listing(watch, ("bl", "other"), 0.9)
    _meet(watch, *range(WINDOW))
    assert [each.suspect for each in watch.lists.watched] == ["", ""]


def test_one_spammer_who_comes_often_makes_no_list_suspect() -> None:
    watch = watched(ScriptedDns(in_order(definition())), definition())
    _listing(watch, ("bl",), 0.9)
    _meet(watch, *[7] * (3 * WINDOW))
    assert watch.lists.watched[0].suspect == ""


def test_a_suspect_that_passes_its_test_stays(caplog: pytest.LogCaptureFixture) -> None:
    watch = watched(ScriptedDns(in_order(definition())), definition())
    asyncio.run(watch.after(120))
    _listing(watch, ("bl",), 0.9)
    _meet(watch, *range(WINDOW))
    asyncio.run(watch.guard.tend())
    assert watch.on() == {"bl": True}
    assert "was suspect (it lists 181 of 200" in caplog.text


def test_numbers_and_alarms_survive_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "lists.json"
    dns = ScriptedDns(in_order(definition("good"), definition("bad")))
    watch = watched(dns, definition("good"), definition("bad"), file=file)
    _meet(watch, 1, 2, 3)
    dns.broken["bad.example"] = ALL
    asyncio.run(watch.after(600))
    assert len(watch.told) == 1

    again = watched(dns, definition("good"), definition("bad"), file=file, states=statistics.load(file))
    assert {each.definition.name: each.state.counts.queries for each in again.lists.watched} == {
        "good": 3,
        "bad": 3,
    }
    assert again.on() == {"good": True, "bad": False}
    assert again.told == []
    del dns.broken["bad.example"]
    asyncio.run(again.after(660))
    assert again.told == ["DNS list bad passes its test again and is asked again"]


def test_the_file_is_written_at_most_once_a_minute(tmp_path: Path) -> None:
    file = tmp_path / "lists.json"
    watch = watched(ScriptedDns(in_order(definition())), definition(), file=file)
    first = file.stat().st_ino
    _meet(watch, 1)
    asyncio.run(watch.after(50, step=5))
    assert file.stat().st_ino == first
    asyncio.run(watch.after(15, step=5))
    assert json.loads(file.read_text())["lists"]["bl"]["counts"]["queries"] == 1


def test_what_waits_is_written_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "lists.json"
    watch = Watch(ScriptedDns(in_order(definition())), definition(), file=file)

    async def short_life() -> None:
        task = asyncio.create_task(watch.guard.run())
        while not watch.lists.asks("client"):  # noqa: ASYNC110  # the guard has no event for it
            await asyncio.sleep(0)
        await watch.lists.look("client", first_client(1))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(short_life())
    assert statistics.load(file)["bl"].counts.queries == 1


def test_a_file_that_cannot_be_written_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    watch = watched(ScriptedDns(in_order(definition())), definition(), file=tmp_path / "gone" / "lists.json")
    asyncio.run(watch.after(600))
    assert watch.on() == {"bl": True}
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_no_key_in_alarms_log_or_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "lists.json"
    dns = ScriptedDns()
    dns.broken["bl.example"] = Trouble(f"REFUSED for 2.0.0.127.{KEY.upper()}.bl.example")
    with caplog.at_level(logging.DEBUG):
        watch = watched(dns, keyed(), file=file)
        asyncio.run(watch.after(600))
    said = "\n".join([*watch.told, caplog.text, file.read_text(), repr(watch.lists.watched[0].state)])
    assert "***" in said
    assert KEY.lower() not in said.lower()
    assert any(KEY.lower() in name for name in dns.asked)


def test_intervals_are_jittered() -> None:
    def minutes(seed: int) -> int:
        dns = ScriptedDns(in_order(definition()))
        watch = Watch(dns, definition())
        watch.guard = guards.Guard(watch.lists, dns, watch.clock, chance=random.Random(seed))
        asyncio.run(watch.guard.tend())
        dns.asked.clear()
        count = 0
        while "2.0.0.127.bl.example" not in dns.asked:
            asyncio.run(watch.after(60))
            count += 1
        return count

    found = {minutes(seed) for seed in range(8)}
    assert len(found) > 2
    assert min(found) >= 54
    assert max(found) <= 66
