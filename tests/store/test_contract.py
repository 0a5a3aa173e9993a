"""What every store must do, whatever it is made of. A new kind joins by one more line in `KINDS`."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from postward.eager import Ready, start
from postward.state import Count, Meeting, Window
from postward.store.factory import OpenStore
from postward.store.memory import MemoryStore
from postward.store.sqlite import SqliteStore

NOW = 1_800_000_000.0
HOUR, DAY = 3_600, 86_400
KINDS: dict[str, Callable[[Path], OpenStore]] = {
    "memory": lambda path: MemoryStore(),
    "sqlite": lambda path: SqliteStore(path / "state.db"),
}


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenStore]:
    opened = KINDS[request.param](tmp_path)
    yield opened
    opened.close()


async def meet(store: OpenStore, after: float, key: str = "key", **changed: float) -> Meeting:
    wanted = {"delay": 300.0, "window": 2.0 * DAY, "keep": 35.0 * DAY} | changed
    return await store.greylist.meet(key, now=NOW + after, **wanted)


async def hit(
    store: OpenStore,
    after: float,
    windows: tuple[Window, ...],
    amount: int = 1,
    *,
    key: str = "key",
    instance: str = "",
) -> tuple[Count, ...]:
    return await store.counters.hit(key, windows, amount, now=NOW + after, instance=instance)


def granted(counts: tuple[Count, ...]) -> bool:
    return all(each.granted for each in counts)


# --- Greylist ------------------------------------------------------------------------------------
def test_a_first_meeting_waits_for_the_delay(store: OpenStore) -> None:
    assert asyncio.run(meet(store, 0)) == Meeting(False, 300.0, 1)


def test_a_retry_too_early_waits_for_the_rest(store: OpenStore) -> None:
    async def run() -> None:
        await meet(store, 0)
        assert await meet(store, 100) == Meeting(False, 200.0, 2)

    asyncio.run(run())


@pytest.mark.parametrize("after", [300, 301, 2 * DAY])
def test_a_retry_within_the_window_passes(store: OpenStore, after: float) -> None:
    async def run() -> None:
        await meet(store, 0)
        assert await meet(store, after) == Meeting(True, 0.0, 2)

    asyncio.run(run())


def test_a_retry_after_the_window_is_a_first_meeting(store: OpenStore) -> None:
    async def run() -> None:
        await meet(store, 0)
        assert await meet(store, 2 * DAY + 1) == Meeting(False, 300.0, 1)

    asyncio.run(run())


def test_a_pass_is_kept_as_long_as_it_is_used(store: OpenStore) -> None:
    async def run() -> None:
        await meet(store, 0)
        for days in (1, 35, 69, 103):
            assert (await meet(store, days * DAY)).passed

    asyncio.run(run())


def test_a_pass_that_is_not_used_is_forgotten(store: OpenStore) -> None:
    async def run() -> None:
        await meet(store, 0)
        await meet(store, 400)
        assert not (await meet(store, 400 + 35 * DAY + 1)).passed

    asyncio.run(run())


def test_keys_do_not_know_each_other(store: OpenStore) -> None:
    async def run() -> None:
        await meet(store, 0, "one")
        assert (await meet(store, 400, "two")).attempts == 1

    asyncio.run(run())


@pytest.mark.parametrize(
    "key", ["", "ü@exämple.org", "a\udcff\ud800b", "a\0b\n\t'; DROP TABLE greylist;--", "x" * 5000]
)
def test_any_text_is_a_key(store: OpenStore, key: str) -> None:
    async def run() -> None:
        await meet(store, 0, key)
        await meet(store, 0, key + "x")
        assert (await meet(store, 300, key)).attempts == 2
        assert (await hit(store, 0, (Window(1, 60),), key=key, instance=key))[0].granted
        assert not (await hit(store, 0, (Window(1, 60),), key=key, instance=key + "2"))[0].granted

    asyncio.run(run())


def test_of_racing_first_meetings_one_is_the_first(store: OpenStore) -> None:
    async def run() -> None:
        met = await asyncio.gather(*[meet(store, 0) for _ in range(64)])
        assert sorted(each.attempts for each in met) == list(range(1, 65))
        assert {each.wait for each in met} == {300.0}

    asyncio.run(run())


def test_a_known_key_is_answered_without_waiting(store: OpenStore) -> None:
    async def run() -> None:
        await meet(store, 0)
        assert isinstance(start(meet(store, 1)), Ready)

    asyncio.run(run())


# --- Time ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("jump", [-HOUR, -5 * HOUR, -10 * 365 * DAY])
def test_a_clock_set_back_makes_no_wait_longer_than_the_delay(store: OpenStore, jump: float) -> None:
    async def run() -> None:
        await meet(store, 0)
        assert 0 <= (await meet(store, jump)).wait <= 300
        assert (await meet(store, jump + 300)).passed

    asyncio.run(run())


@pytest.mark.parametrize("jump", [-HOUR, -10 * 365 * DAY])
def test_a_clock_set_back_forgets_no_pass(store: OpenStore, jump: float) -> None:
    async def run() -> None:
        await meet(store, 0)
        await meet(store, 400)
        assert (await meet(store, jump)).passed

    asyncio.run(run())


@pytest.mark.parametrize("jump", [-HOUR, -10 * 365 * DAY])
def test_a_clock_set_back_neither_frees_nor_blocks_a_window(store: OpenStore, jump: float) -> None:
    windows = (Window(1, 60),)

    async def run() -> None:
        assert granted(await hit(store, 0, windows))
        (refused,) = await hit(store, jump, windows)
        assert not refused.granted
        assert 0 < refused.free_in <= 62
        assert granted(await hit(store, jump + refused.free_in, windows))

    asyncio.run(run())


# --- Counters ------------------------------------------------------------------------------------
def test_a_window_grants_its_limit_and_no_more(store: OpenStore) -> None:
    async def run() -> None:
        windows = (Window(3, 60),)
        answers = [granted(await hit(store, each, windows)) for each in range(5)]
        assert answers == [True, True, True, False, False]

    asyncio.run(run())


def test_all_windows_are_booked_or_none(store: OpenStore) -> None:
    small, large = Window(1, 60), Window(10, HOUR)

    async def run() -> None:
        await hit(store, 0, (small, large))
        counts = await hit(store, 1, (small, large))
        assert [each.granted for each in counts] == [False, True]
        assert [each.used for each in counts] == [1, 1]

    asyncio.run(run())


def test_an_amount_fits_or_does_not(store: OpenStore) -> None:
    async def run() -> None:
        windows = (Window(10, 60),)
        assert granted(await hit(store, 0, windows, 7))
        assert not granted(await hit(store, 0, windows, 4))
        assert granted(await hit(store, 0, windows, 3))

    asyncio.run(run())


def test_nothing_always_fits(store: OpenStore) -> None:
    async def run() -> None:
        windows = (Window(1, 60),)
        await hit(store, 0, windows)
        assert granted(await hit(store, 0, windows, 0))

    asyncio.run(run())


def test_what_is_refused_says_when_it_would_fit(store: OpenStore) -> None:
    async def run() -> None:
        windows = (Window(10, 60),)
        await hit(store, 0, windows, 6)
        await hit(store, 30, windows, 4)
        (one,) = await hit(store, 40, windows, 1)
        (seven,) = await hit(store, 40, windows, 7)
        assert 20 <= one.free_in <= 21
        assert 50 <= seven.free_in <= 51
        assert granted(await hit(store, 40 + seven.free_in, windows, 7))

    asyncio.run(run())


def test_an_amount_above_the_limit_never_fits(store: OpenStore) -> None:
    assert asyncio.run(hit(store, 0, (Window(1, 60),), 2)) == (Count(False, 0, 60.0),)


@pytest.mark.parametrize("wrong", [(), (Window(-1, 60),), (Window(1, 0),)])
def test_windows_that_cannot_be_meant_are_refused(store: OpenStore, wrong: tuple[Window, ...]) -> None:
    with pytest.raises(ValueError, match="not windows"):
        asyncio.run(hit(store, 0, wrong))


def test_a_negative_amount_is_refused(store: OpenStore) -> None:
    with pytest.raises(ValueError, match="-1"):
        asyncio.run(hit(store, 0, (Window(1, 60),), -1))


def test_the_same_instance_is_booked_once(store: OpenStore) -> None:
    async def run() -> None:
        windows = (Window(1, 60),)
        assert granted(await hit(store, 0, windows, instance="a"))
        (again,) = await hit(store, 1, windows, instance="a")
        assert (again.granted, again.used) == (True, 1)
        assert not granted(await hit(store, 1, windows, instance="b"))

    asyncio.run(run())


def test_the_same_instance_is_refused_again(store: OpenStore) -> None:
    async def run() -> None:
        windows = (Window(1, 60),)
        await hit(store, 0, windows)
        assert not granted(await hit(store, 50, windows, instance="a"))
        assert not granted(await hit(store, 62, windows, instance="a"))
        assert granted(await hit(store, 62, windows, instance="b"))

    asyncio.run(run())


def test_an_instance_is_remembered_for_ten_minutes(store: OpenStore) -> None:
    async def run() -> None:
        windows = (Window(1, HOUR),)
        await hit(store, 0, windows, key="other", instance="z")
        assert granted(await hit(store, 599, windows, instance="a"))
        await hit(store, 601, windows, key="other", instance="y")
        assert granted(await hit(store, 1199, windows, instance="a"))

    asyncio.run(run())


def test_an_instance_counts_for_each_key(store: OpenStore) -> None:
    async def run() -> None:
        windows = (Window(1, 60),)
        assert granted(await hit(store, 0, windows, key="one", instance="a"))
        (count,) = await hit(store, 0, windows, key="two", instance="a")
        assert count == Count(True, 1, count.free_in)

    asyncio.run(run())


def test_two_rules_on_one_key_book_an_instance_once_in_each_window(store: OpenStore) -> None:
    first, second = (Window(5, 60), Window(50, HOUR)), (Window(9, 60), Window(90, DAY))

    async def run() -> None:
        for message in "abc":
            assert granted(await hit(store, 0, first, instance=message))
            assert granted(await hit(store, 0, second, instance=message))
        assert [each.used for each in await hit(store, 0, first, 0)] == [3, 3]
        assert [each.used for each in await hit(store, 0, second, 0)] == [3, 3]

    asyncio.run(run())


def test_two_windows_of_one_length_are_one_count(store: OpenStore) -> None:
    async def run() -> None:
        counts = await hit(store, 0, (Window(5, 60), Window(3, 60)), 3)
        assert [each.used for each in counts] == [3, 3]
        assert [each.granted for each in await hit(store, 0, (Window(5, 60), Window(3, 60)))] == [True, False]

    asyncio.run(run())


def test_a_raised_limit_counts_what_was_booked_before(store: OpenStore) -> None:
    async def run() -> None:
        await hit(store, 0, (Window(2, 60),), 2)
        (count,) = await hit(store, 1, (Window(3, 60),), 1)
        assert (count.granted, count.used) == (True, 3)

    asyncio.run(run())


def test_of_racing_hits_exactly_the_limit_is_granted(store: OpenStore) -> None:
    windows = (Window(500, HOUR), Window(800, DAY))

    async def asker(number: int) -> int:
        answers = 0
        for each in range(50):
            answers += granted(await hit(store, 0, windows, instance=f"{number}.{each}"))
            await asyncio.sleep(0)
        return answers

    async def run() -> None:
        assert sum(await asyncio.gather(*map(asker, range(64)))) == 500

    asyncio.run(run())


# --- Holds ---------------------------------------------------------------------------------------
def test_a_new_domain_waits(store: OpenStore) -> None:
    async def run() -> None:
        ticket = await store.holds.meet("Example.ORG", now=NOW, evidence="card", knock={})
        assert (ticket.domain, ticket.verdict, ticket.opened) == ("example.org", "waiting", NOW)
        assert (ticket.attempts, ticket.evidence) == (1, "card")

    asyncio.run(run())


def test_a_domain_that_waits_joins_its_ticket(store: OpenStore) -> None:
    async def run() -> None:
        first = await store.holds.meet("example.org", now=NOW, evidence="card", knock={})
        second = await store.holds.meet("example.org", now=NOW + 60, evidence="other", knock={})
        assert second.id == first.id
        assert (second.opened, second.last_seen, second.attempts) == (NOW, NOW + 60, 2)
        assert second.evidence == "card"

    asyncio.run(run())


def test_racing_meetings_open_one_ticket(store: OpenStore) -> None:
    async def run() -> None:
        met = await asyncio.gather(
            *[store.holds.meet("example.org", now=NOW, evidence="", knock={}) for _ in range(64)]
        )
        assert len({each.id for each in met}) == 1
        assert max(each.attempts for each in met) == 64

    asyncio.run(run())


@pytest.mark.parametrize("verdict", ["approved", "denied"])
def test_a_decision_is_seen_at_the_next_meeting(store: OpenStore, verdict: str) -> None:
    async def run() -> None:
        ticket = await store.holds.meet("example.org", now=NOW, evidence="", knock={})
        decided = await store.holds.decide(ticket.id, verdict, now=NOW + 1, by="root", note="asked them")
        assert decided is not None
        met = await store.holds.meet("example.org", now=NOW + 2, evidence="", knock={})
        assert (met.verdict, met.decided_by, met.note) == (verdict, "root", "asked them")

    asyncio.run(run())


def test_a_decision_about_no_ticket_is_none(store: OpenStore) -> None:
    assert asyncio.run(store.holds.decide("nothing", "approved", now=NOW, by="root", note="")) is None


def test_an_unknown_verdict_is_refused(store: OpenStore) -> None:
    with pytest.raises(ValueError, match="perhaps"):
        asyncio.run(store.holds.decide("nothing", "perhaps", now=NOW, by="root", note=""))


def test_a_ticket_is_found_by_id_and_by_domain(store: OpenStore) -> None:
    async def run() -> None:
        ticket = await store.holds.meet("example.org", now=NOW, evidence="", knock={})
        assert await store.holds.find(ticket.id) == ticket
        assert await store.holds.find("EXAMPLE.org") == ticket
        assert await store.holds.find("example.com") is None

    asyncio.run(run())


def test_tickets_are_listed_newest_first(store: OpenStore) -> None:
    async def run() -> None:
        opened = [
            await store.holds.meet(f"d{each}.example", now=NOW + each, evidence="", knock={}) for each in range(3)
        ]
        await store.holds.decide(opened[1].id, "approved", now=NOW, by="root", note="")
        assert [each.domain for each in await store.holds.tickets()] == [
            "d2.example",
            "d1.example",
            "d0.example",
        ]
        assert [each.domain for each in await store.holds.tickets("waiting")] == ["d2.example", "d0.example"]
        assert [each.domain for each in await store.holds.tickets(limit=1)] == ["d2.example"]

    asyncio.run(run())


@pytest.mark.parametrize("text", ["\udcff\ud800", "a\0b", "x" * 100_000, "'; DROP TABLE tickets;--"])
def test_any_text_is_evidence_and_note(store: OpenStore, text: str) -> None:
    async def run() -> None:
        ticket = await store.holds.meet("example.org", now=NOW, evidence=text, knock={})
        assert await store.holds.decide(ticket.id, "denied", now=NOW, by=text, note=text) is not None
        assert await store.holds.find("example.org") is not None

    asyncio.run(run())


def test_a_store_serves_one_event_loop_after_another(store: OpenStore) -> None:
    async def all_of_it(after: float) -> Any:
        await hit(store, after, (Window(5, HOUR),), instance=str(after))
        await store.holds.meet("example.org", now=NOW + after, evidence="", knock={})
        return await meet(store, after)

    asyncio.run(all_of_it(0))
    assert asyncio.run(all_of_it(300)).passed
    assert asyncio.run(hit(store, 300, (Window(5, HOUR),), 0))[0].used == 2
