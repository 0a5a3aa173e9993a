"""What the memory of what was met before must do in every store."""

import asyncio

import pytest

from postward.eager import Ready, start
from postward.state import Sighting
from postward.store import memory_seen
from postward.store.factory import OpenStore
from postward.store.memory import MemoryStore

NOW = 1_800_000_000.0
DAY = 86_400.0
KEY = "rdns 192.0.2.7"


def note(store: OpenStore, after: float = 0, key: str = KEY, value: str = "", keep: float = 30 * DAY) -> None:
    store.seen.note(key, now=NOW + after, keep=keep, value=value)


async def find(store: OpenStore, after: float = 0, key: str = KEY) -> Sighting | None:
    return await store.seen.find(key, now=NOW + after)


def test_what_was_never_met_is_not_known(store: OpenStore) -> None:
    async def run() -> None:
        assert await find(store) is None
        assert await find(store) is None

    asyncio.run(run())


def test_what_was_met_is_known(store: OpenStore) -> None:
    async def run() -> None:
        note(store, value="mx.example.org")
        assert await find(store, 60) == Sighting(NOW, NOW, 1, "mx.example.org")

    asyncio.run(run())


def test_what_was_asked_for_first_is_known_once_it_is_met(store: OpenStore) -> None:
    async def run() -> None:
        assert await find(store) is None
        note(store)
        assert await find(store) == Sighting(NOW, NOW, 1)

    asyncio.run(run())


def test_meetings_add_up_and_the_last_value_counts(store: OpenStore) -> None:
    async def run() -> None:
        for after, value in ((0, "one"), (60, "two"), (120, "three")):
            note(store, after, value=value)
        assert await find(store, 200) == Sighting(NOW, NOW + 120, 3, "three")

    asyncio.run(run())


def test_it_is_kept_as_long_as_it_is_met(store: OpenStore) -> None:
    async def run() -> None:
        for days in (0, 29, 58, 87):
            note(store, days * DAY)
        sighting = await find(store, 116 * DAY)
        assert sighting == Sighting(NOW, NOW + 87 * DAY, 4)
        assert await find(store, 118 * DAY) is None

    asyncio.run(run())


def test_what_was_forgotten_begins_anew(store: OpenStore) -> None:
    async def run() -> None:
        note(store, value="old")
        note(store, 31 * DAY)
        assert await find(store, 31 * DAY) == Sighting(NOW + 31 * DAY, NOW + 31 * DAY, 1)

    asyncio.run(run())


def test_a_longer_time_to_keep_takes_the_place_of_a_shorter_one(store: OpenStore) -> None:
    async def run() -> None:
        note(store, keep=DAY)
        note(store, 1, keep=30 * DAY)
        assert await find(store, 29 * DAY) is not None

    asyncio.run(run())


def test_what_was_met_can_be_forgotten(store: OpenStore) -> None:
    async def run() -> None:
        note(store)
        assert await store.seen.forget(KEY)
        assert await find(store) is None
        assert not await store.seen.forget(KEY)
        note(store, 60)
        assert await find(store, 60) == Sighting(NOW + 60, NOW + 60, 1)

    asyncio.run(run())


def test_a_kind_is_listed_last_seen_first(store: OpenStore) -> None:
    async def run() -> None:
        note(store, 0, "listed trapped|192.0.2.1")
        note(store, 1, "listed gone", keep=5)
        note(store, 5, "listed trapped|192.0.2.3")
        note(store, 7, "listedother 192.0.2.4")
        note(store, 7, "other 192.0.2.4")
        note(store, 9, "listed trapped|192.0.2.2", "why")
        rows = await store.seen.rows("listed", now=NOW + 10)
        assert [what for what, _ in rows] == ["trapped|192.0.2.2", "trapped|192.0.2.3", "trapped|192.0.2.1"]
        assert rows[0][1] == Sighting(NOW + 9, NOW + 9, 1, "why")
        assert len(await store.seen.rows("listed", now=NOW + 10, limit=1)) == 1

    asyncio.run(run())


@pytest.mark.parametrize(
    "key", ["", "ü@exämple.org", "a\udcff\ud800b", "a\0b'; DROP TABLE seen;--", "x" * 5_000]
)
def test_any_text_is_key_and_value(store: OpenStore, key: str) -> None:
    async def run() -> None:
        note(store, 0, key, value=key)
        note(store, 0, key + "x")
        note(store, 0, key, value=key)
        sighting = await find(store, 0, key)
        assert sighting is not None
        assert sighting.times == 2
        assert len(sighting.value) <= 255
        assert await store.seen.forget(key)

    asyncio.run(run())


def test_what_is_known_is_found_without_waiting(store: OpenStore) -> None:
    async def run() -> None:
        assert isinstance(start(find(store, 0, "unknown")), Ready)
        note(store)
        answer = start(find(store))
        assert isinstance(answer, Ready)
        assert answer.value is not None

    asyncio.run(run())


@pytest.mark.parametrize("jump", [-3_600.0, -10 * 365 * DAY])
def test_a_clock_set_back_forgets_nothing(store: OpenStore, jump: float) -> None:
    async def run() -> None:
        note(store)
        sighting = await find(store, jump)
        assert sighting is not None
        assert sighting.last == NOW + jump  # as old as it was

    asyncio.run(run())


def test_very_many_meetings_are_counted(store: OpenStore) -> None:
    async def run() -> None:
        for each in range(1_000):
            note(store, each)
        assert await find(store, 1_000) == Sighting(NOW, NOW + 999, 1_000)

    asyncio.run(run())


def test_it_serves_one_event_loop_after_another(store: OpenStore) -> None:
    async def run(after: float) -> Sighting | None:
        note(store, after)
        return await find(store, after)

    for each in range(3):
        assert asyncio.run(run(each)) == Sighting(NOW, NOW + each, each + 1)


def test_a_flood_of_one_kind_costs_no_other_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_seen, "_MAX_KEYS", 10)

    async def run() -> None:
        store = MemoryStore()
        for number in range(4):
            note(store, key=f"listed {number}")
        for number in range(50):
            note(store, key=f"rdns {number}")
        assert len(await store.seen.rows("listed", now=NOW)) == 4
        kept = await store.seen.rows("rdns", now=NOW)
        assert {what for what, _ in kept} == {str(number) for number in range(44, 50)}

    asyncio.run(run())
