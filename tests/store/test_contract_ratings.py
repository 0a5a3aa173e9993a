"""What ratings must do in every store. Half of a rating fades in 14 days."""

import asyncio

import pytest

from postward.eager import Ready, start
from postward.state import Rating, RatingChange
from postward.store.factory import OpenStore

NOW = 1_800_000_000.0
DAY = 86_400.0
KEY = "client:192.0.2.7"


def note(store: OpenStore, points: float, after: float = 0, *keys: str, reason: str = "why") -> None:
    store.ratings.note(keys or (KEY,), points, now=NOW + after, reason=reason)


async def read(store: OpenStore, after: float = 0, key: str = KEY) -> Rating | None:
    (rating,) = await store.ratings.read((key,), now=NOW + after)
    return rating


async def points(store: OpenStore, after: float = 0, key: str = KEY) -> float | None:
    rating = await read(store, after, key)
    return None if rating is None else rating.points


async def pin(store: OpenStore, number: float, after: float = 0, key: str = KEY) -> Rating:
    return await store.ratings.set(key, number, now=NOW + after, by="root", reason="I know them")


def test_who_was_never_rated_has_no_rating(store: OpenStore) -> None:
    assert asyncio.run(store.ratings.read((KEY, "asn:64500"), now=NOW)) == (None, None)


def test_points_add_up(store: OpenStore) -> None:
    async def run() -> None:
        note(store, -4)
        note(store, 1.5, reason="good")
        assert await read(store) == Rating(KEY, -2.5, 2.0, NOW, "good")

    asyncio.run(run())


def test_who_was_asked_for_first_is_rated_alike(store: OpenStore) -> None:
    async def run() -> None:
        assert await read(store) is None
        note(store, -4)
        assert await points(store) == -4

    asyncio.run(run())


def test_one_event_rates_several_keys(store: OpenStore) -> None:
    keys = ("client:192.0.2.7", "network:192.0.2.0/24", "asn:64500")

    async def run() -> None:
        note(store, -4, 0, *keys)
        note(store, -1, 0, "asn:64500")
        ratings = await store.ratings.read((*keys, "asn:1"), now=NOW)
        assert [rating and rating.points for rating in ratings] == [-4, -4, -5, None]

    asyncio.run(run())


def test_half_of_it_fades_in_the_half_life(store: OpenStore) -> None:
    async def run() -> None:
        note(store, -8)
        rating = await read(store, 14 * DAY)
        assert rating is not None
        assert (rating.points, rating.samples, rating.updated) == (-4.0, 0.5, NOW)
        note(store, -1, 14 * DAY)
        assert await points(store, 14 * DAY) == -5
        assert await points(store, 28 * DAY) == -2.5

    asyncio.run(run())


def test_a_rating_that_has_faded_is_gone(store: OpenStore) -> None:
    async def run() -> None:
        note(store, -8)
        assert await read(store, 111 * DAY) is not None
        assert await read(store, 113 * DAY) is None

    asyncio.run(run())


@pytest.mark.parametrize("sign", [-1, 1])
def test_points_have_a_bound(store: OpenStore, sign: int) -> None:
    async def run() -> None:
        for _ in range(30):
            note(store, 40 * sign)
        assert await points(store) == 100 * sign
        note(store, -30 * sign)
        assert await points(store) == 70 * sign

    asyncio.run(run())


def test_a_persons_word_stands(store: OpenStore) -> None:
    async def run() -> None:
        note(store, -50)
        assert await pin(store, 20) == Rating(KEY, 20.0, 1.0, NOW, "I know them", pinned=True)
        note(store, -50)
        rating = await read(store, 400 * DAY)
        assert rating is not None
        assert (rating.points, rating.pinned) == (20, True)

    asyncio.run(run())


def test_a_persons_word_has_a_bound(store: OpenStore) -> None:
    async def run() -> None:
        assert (await pin(store, 1_000)).points == 100

    asyncio.run(run())


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_persons_word_is_a_number(store: OpenStore, number: float) -> None:
    with pytest.raises(ValueError, match="not points"):
        asyncio.run(pin(store, number))


def test_a_rating_can_be_cleared(store: OpenStore) -> None:
    async def run() -> None:
        await pin(store, -50)
        assert await store.ratings.clear(KEY, now=NOW, by="root", reason="they mended it")
        assert await read(store) is None
        assert not await store.ratings.clear(KEY, now=NOW, by="root", reason="again")
        note(store, -1)
        assert await points(store) == -1

    asyncio.run(run())


def test_what_was_noted_a_moment_ago_can_be_cleared(store: OpenStore) -> None:
    async def run() -> None:
        note(store, -50)
        assert await store.ratings.clear(KEY, now=NOW, by="root", reason="")
        assert await read(store) is None

    asyncio.run(run())


def test_changes_worth_telling_are_told_newest_first(store: OpenStore) -> None:
    async def run() -> None:
        note(store, -4, 0, reason="spam trap")
        note(store, -0.5, 1, reason="a trifle")
        await pin(store, 10, 2)
        await store.ratings.clear(KEY, now=NOW + 3, by="root", reason="done")
        assert await store.ratings.history(KEY) == (
            RatingChange(NOW + 3, 0.0, "done", "root"),
            RatingChange(NOW + 2, 10.0, "I know them", "root"),
            RatingChange(NOW, -4.0, "spam trap", "postward"),
        )
        assert len(await store.ratings.history(KEY, limit=2)) == 2
        assert await store.ratings.history("client:192.0.2.8") == ()

    asyncio.run(run())


def test_a_trifle_gives_no_reason(store: OpenStore) -> None:
    async def run() -> None:
        note(store, -4, reason="spam trap")
        note(store, 0.1, reason="a trifle")
        rating = await read(store)
        assert rating is not None
        assert rating.reason == "spam trap"

    asyncio.run(run())


def test_a_history_is_bounded(store: OpenStore) -> None:
    async def run() -> None:
        for each in range(200):
            await store.ratings.set(KEY, each, now=NOW + each, by="root", reason=str(each))
        changes = await store.ratings.history(KEY, limit=1_000)
        assert len(changes) == 50
        assert changes[0].reason == "199"

    asyncio.run(run())


def test_ratings_are_listed_worst_first(store: OpenStore) -> None:
    async def run() -> None:
        note(store, -40, -28 * DAY, "domain:old.example")  # -10 by now
        note(store, -20, 0, "domain:bad.example")
        note(store, 5, 0, "domain:good.example")
        note(store, -99, 0, "asn:64500")
        await pin(store, -15, 0, "domain:pinned.example")
        listed = await store.ratings.rows("domain:", now=NOW)
        told = [(rating.key.removeprefix("domain:"), rating.points) for rating in listed]
        assert told == [
            ("bad.example", -20),
            ("pinned.example", -15),
            ("old.example", -10),
            ("good.example", 5),
        ]
        assert [rating.key for rating in await store.ratings.rows(now=NOW, limit=1)] == ["asn:64500"]

    asyncio.run(run())


@pytest.mark.parametrize("key", ["", "domain:exämple.org", "a\udcff\ud800b", "a\0b%_", "x" * 5_000])
def test_any_text_is_key_reason_and_person(store: OpenStore, key: str) -> None:
    async def run() -> None:
        note(store, -4, 0, key, reason=key)
        note(store, -1, 0, key + "x")
        assert await points(store, 0, key) == -4
        assert await store.ratings.clear(key, now=NOW, by=key, reason=key)
        assert len(await store.ratings.history(key)) == 2

    asyncio.run(run())


def test_what_is_known_is_read_without_waiting(store: OpenStore) -> None:
    async def run() -> None:
        assert isinstance(start(read(store)), Ready)
        note(store, -4)
        answer = start(read(store))
        assert isinstance(answer, Ready)
        assert answer.value is not None

    asyncio.run(run())


@pytest.mark.parametrize("jump", [-3_600.0, -10 * 365 * DAY])
def test_a_clock_set_back_changes_no_rating(store: OpenStore, jump: float) -> None:
    async def run() -> None:
        note(store, -8)
        assert await points(store, jump) == -8

    asyncio.run(run())


def test_it_serves_one_event_loop_after_another(store: OpenStore) -> None:
    async def run() -> float | None:
        note(store, -1)
        return await points(store)

    assert [asyncio.run(run()) for _ in range(3)] == [-1, -2, -3]
