"""What greylist and counters must do in every store."""

import asyncio
from typing import Any

import pytest

from postward.eager import Ready, start
from postward.state import Count, Meeting, Window
from postward.store.factory import OpenStore

NOW = 1_800_000_000.0
HOUR, DAY = 3_600, 86_400


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


def test_a_store_serves_one_event_loop_after_another(store: OpenStore) -> None:
    async def all_of_it(after: float) -> Any:
        await hit(store, after, (Window(5, HOUR),), instance=str(after))
        await store.holds.meet("example.org", now=NOW + after, evidence="", knock={})
        return await meet(store, after)

    asyncio.run(all_of_it(0))
    assert asyncio.run(all_of_it(300)).passed
    assert asyncio.run(hit(store, 300, (Window(5, HOUR),), 0))[0].used == 2
