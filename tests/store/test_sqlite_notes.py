"""What was met before and ratings in SQLite: they outlive their process, add up, forget, stay bounded."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from postward.eager import Ready, start
from postward.state import Rating, Sighting, StoreDown, Word
from postward.store import (
    rating_changes,
    sqlite_holds,
    sqlite_ratings,
    sqlite_seen,
    sqlite_words,
    tickets,
)
from postward.store.sqlite import SqliteStore

NOW = 1_800_000_000.0
DAY = 86_400.0
KEEP = 30 * DAY
WORD = Word("network", "192.0.2.0/24", "approved", "root", "", NOW)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@contextmanager
def opened(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(path)
    try:
        yield store
    finally:
        store.close()


def note(store: SqliteStore, after: float = 0, key: str = "key", value: str = "", keep: float = KEEP) -> None:
    store.seen.note(key, now=NOW + after, keep=keep, value=value)


async def find(store: SqliteStore, after: float = 0, key: str = "key") -> Sighting | None:
    return await store.seen.find(key, now=NOW + after)


def rate(store: SqliteStore, points: float, after: float = 0, key: str = "key") -> None:
    store.ratings.note((key,), points, now=NOW + after, reason="why")


async def read(store: SqliteStore, after: float = 0, key: str = "key") -> Rating | None:
    (rating,) = await store.ratings.read((key,), now=NOW + after)
    return rating


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


async def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it does not happen"
        await asyncio.sleep(0.01)


async def written(store: SqliteStore) -> None:
    """Until all that was noted is in the file and memory was told."""
    store.seen._behind.push()
    store.ratings._behind.push()
    await store._writer.ask(lambda connection: None)


def chores_now(store: SqliteStore) -> None:
    for chore in store._writer._chores:
        chore.last = 0.0
    store._writer.poke()


# --- They outlive their process ------------------------------------------------------------------
def test_what_was_met_is_known_after_a_restart(path: Path) -> None:
    async def meet() -> None:
        with opened(path) as store:
            note(store, value="mx.example.org")
            note(store, 60, value="mx.example.org")

    asyncio.run(meet())
    with opened(path) as store:
        assert asyncio.run(find(store, 90)) == Sighting(NOW, NOW + 60, 2, "mx.example.org")


def test_a_rating_is_known_after_a_restart(path: Path) -> None:
    async def give() -> None:
        with opened(path) as store:
            rate(store, -4)
            rate(store, -5)

    asyncio.run(give())
    with opened(path) as store:
        assert asyncio.run(read(store)) == Rating("key", -9.0, 2.0, NOW, "why")


def test_notes_are_written_within_a_moment(path: Path) -> None:
    async def run() -> None:
        with opened(path) as store:
            began = time.monotonic()
            note(store)
            rate(store, -4)
            both = "SELECT times, points FROM seen JOIN ratings USING (key)"
            await until(lambda: rows(path, both) == [(1, -4.0)])
            assert time.monotonic() - began < 1

    asyncio.run(run())


# --- Not everything is written -------------------------------------------------------------------
def test_up_to_64_meetings_are_exact_in_the_file(path: Path) -> None:
    async def run() -> None:
        with opened(path) as store:
            for number in range(1, 65):
                note(store, number)
                await written(store)
                assert rows(path, "SELECT times FROM seen") == [(number,)]

    asyncio.run(run())


def test_of_many_meetings_the_file_knows_all_but_a_sixteenth(path: Path) -> None:
    async def run() -> None:
        with opened(path) as store:
            connection = store._writer._kept.open()
            for number in range(2_000):
                note(store, number)
                if number == 200:
                    await written(store)
                    before = connection.total_changes
            for number in range(2_000, 2_300):
                note(store, number)
                await written(store)
                ((times,),) = rows(path, "SELECT times FROM seen")
                assert isinstance(times, int)
                assert (number + 1) * 15 / 16 <= times <= number + 1
            assert connection.total_changes - before < 10
            assert await find(store, 2_300) == Sighting(NOW, NOW + 2_299, 2_300)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("after", "value", "keep"), [(1, "new", KEEP), (KEEP / 90, "", KEEP), (1, "", 2 * KEEP)]
)
def test_what_changes_a_row_is_written(path: Path, after: float, value: str, keep: float) -> None:
    async def run() -> None:
        with opened(path) as store:
            for _ in range(200):
                note(store)
            await written(store)
            note(store, after, value=value, keep=keep)
            await written(store)
            expected = int((NOW + after + keep) * 1000)
            ((expires,),) = rows(path, "SELECT expires FROM seen")
            assert isinstance(expires, int)
            assert abs(expires - expected) <= 1
            assert rows(path, "SELECT value FROM seen") == [(value,)]

    asyncio.run(run())


# --- Several processes ---------------------------------------------------------------------------
def test_two_processes_add_up(path: Path) -> None:
    async def run() -> None:
        with opened(path) as one, opened(path) as other:
            for store in (one, other, one):
                note(store)
                rate(store, -2)
            await written(one)
            await written(other)
            note(one)
            rate(one, -2)
            await written(one)
            assert rows(path, "SELECT times, points FROM seen JOIN ratings USING (key)") == [(4, -8.0)]
            # what the file said after the last batch is in memory
            assert await find(one) == Sighting(NOW, NOW, 4)
            assert await read(one) == Rating("key", -8.0, 4.0, NOW, "why")

    asyncio.run(run())


def test_what_another_process_noted_is_seen_after_half_a_minute(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        with opened(path) as one, opened(path) as other:
            assert await find(one) is None
            assert await read(one) is None
            note(other)
            rate(other, -4)
            await written(other)
            assert await find(one) is None
            monkeypatch.setattr(sqlite_seen, "FRESH", 0.0)
            monkeypatch.setattr(sqlite_ratings, "FRESH", 0.0)
            assert await find(one) is not None
            assert await read(one) is not None

    asyncio.run(run())


async def within_a_second(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 1
    while not true():
        assert time.monotonic() < end, "not seen within a second"
        await asyncio.sleep(0.02)


def points(store: SqliteStore) -> float | None:
    answer = start(read(store))
    assert isinstance(answer, Ready)
    return None if answer.value is None else answer.value.points


def test_a_persons_word_elsewhere_is_seen_and_survives_our_notes(path: Path) -> None:
    async def run() -> None:
        with opened(path) as daemon, opened(path) as command:
            rate(daemon, -50)
            await written(daemon)
            await command.ratings.set("key", 20, now=NOW, by="root", reason="I know them")
            rate(daemon, -50)
            await within_a_second(lambda: points(daemon) == 20)
            rate(daemon, -50)
            await written(daemon)
            assert rows(path, "SELECT points, pinned FROM ratings") == [(20.0, 1)]
            await command.ratings.clear("key", now=NOW, by="root", reason="")
            await within_a_second(lambda: points(daemon) is None)
            rate(daemon, -3)
            await written(daemon)
            assert points(daemon) == -3

    asyncio.run(run())


def test_what_is_noted_on_and_on_learns_of_a_persons_word(path: Path) -> None:
    async def run() -> None:
        with opened(path) as daemon, opened(path) as command:
            rate(daemon, -1)
            await command.ratings.set("key", 20, now=NOW, by="root", reason="")

            def noted_and_seen() -> bool:
                rate(daemon, -1)
                return points(daemon) == 20

            await within_a_second(noted_and_seen)

    asyncio.run(run())


def test_what_a_person_makes_forgotten_is_forgotten_elsewhere(path: Path) -> None:
    async def run() -> None:
        with opened(path) as daemon, opened(path) as command:
            for _ in range(100):
                note(daemon)
            await written(daemon)
            note(daemon)  # in memory only
            assert await command.seen.forget("key")

            def forgotten() -> bool:
                answer = start(find(daemon))
                assert isinstance(answer, Ready)
                return answer.value is None

            await within_a_second(forgotten)
            note(daemon, 60)
            assert await find(daemon, 60) == Sighting(NOW + 60, NOW + 60, 1)

    asyncio.run(run())


def test_what_was_cleared_elsewhere_is_noted_again_though_nobody_reads_it(path: Path) -> None:
    async def run() -> None:
        with opened(path) as daemon, opened(path) as command:
            await daemon.ratings.set("key", 20, now=NOW, by="root", reason="")
            for _ in range(100):
                note(daemon)
            await written(daemon)
            await command.ratings.clear("key", now=NOW, by="root", reason="")
            await command.seen.forget("key")
            points_and_times = "SELECT points, times FROM ratings JOIN seen USING (key)"

            def noted() -> bool:
                rate(daemon, -1)
                note(daemon)
                return bool(rows(path, points_and_times))

            await until(noted)

    asyncio.run(run())


def test_a_word_said_elsewhere_is_seen_and_taken_back(path: Path) -> None:
    async def run() -> None:
        with opened(path) as daemon, opened(path) as command:

            def heard() -> bool:
                answer = start(daemon.holds.words(((WORD.kind, WORD.value),), now=NOW))
                assert isinstance(answer, Ready)
                return answer.value == (WORD,)

            assert not heard()
            await command.holds.say(WORD)
            await within_a_second(heard)
            await command.holds.unsay(WORD.kind, WORD.value)
            await within_a_second(lambda: not heard())

    asyncio.run(run())


def test_words_in_memory_are_not_read_again_while_nobody_speaks(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        with opened(path) as store:
            await store.holds.words((("domain", "example.org"),), now=NOW)
            asked: list[str] = []
            monkeypatch.setattr(store._reader, "rows", lambda sql, values: asked.append(sql))
            for _ in range(100):
                assert await store.holds.words((("domain", "example.org"),), now=NOW) == ()
            assert len(asked) <= 1  # the number of changes, at most

    asyncio.run(run())


# --- Memory is bounded ---------------------------------------------------------------------------
def test_what_left_memory_is_read_again(path: Path) -> None:
    async def run() -> None:
        with opened(path) as store:
            store.seen._entries._half = store.ratings._entries._half = 20
            for key in range(300):
                note(store, 0, str(key))
                rate(store, -4, 0, str(key))
            for key in range(300):  # some is not written yet
                assert await find(store, 0, str(key)) == Sighting(NOW, NOW, 1)
                assert (await read(store, 0, str(key))) == Rating(str(key), -4.0, 1.0, NOW, "why")
            await written(store)
            for key in range(300):
                assert await find(store, 0, str(key)) == Sighting(NOW, NOW, 1)
                assert (await read(store, 0, str(key))) == Rating(str(key), -4.0, 1.0, NOW, "why")
            assert len(store.seen._entries) <= 40

    asyncio.run(run())


# --- They forget ---------------------------------------------------------------------------------
def test_what_is_over_is_deleted_and_a_persons_word_is_not(path: Path) -> None:
    count = (
        "SELECT (SELECT count(*) FROM seen), (SELECT count(*) FROM ratings),"
        " (SELECT count(*) FROM rating_changes), (SELECT count(*) FROM words)"
    )

    async def run() -> None:
        with opened(path) as store:
            for key in range(1_200):
                note(store, 0, str(key))
                rate(store, -4, 0, str(key))
            await store.ratings.set("pinned", 5, now=NOW, by="root", reason="")
            await store.holds.say(WORD)
            await store.holds.say(replace(WORD, value="192.0.2.9/32", expires=NOW + DAY))
            await written(store)
            assert rows(path, count) == [(1_200, 1_201, 1_201, 2)]
            note(store, 500 * DAY, "later")
            await written(store)
            chores_now(store)
            await until(lambda: rows(path, count) == [(1, 1, 0, 1)])

    asyncio.run(run())


def test_too_many_rows_are_deleted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (sqlite_seen, sqlite_ratings, rating_changes):
        monkeypatch.setattr(module, "_AT_ONCE", 3)
        monkeypatch.setattr(module, "MAX_ROWS", 10)

    async def run() -> None:
        with opened(path) as store:
            await store.ratings.set("pinned", 5, now=NOW - 1, by="root", reason="")
            for key in range(30):
                note(store, key, f"kind {key:02}")
                rate(store, -4, key, f"kind {key:02}")
            await written(store)
            chores_now(store)
            for table in ("seen", "ratings", "rating_changes"):
                few = f"SELECT count(*) BETWEEN 7 AND 10, max(key) FROM {table}"
                last = "pinned" if table == "ratings" else "kind 29"
                await until(lambda sql=few, most=last: rows(path, sql) == [(1, most)])  # type: ignore[misc]

    asyncio.run(run())


def test_more_words_than_anyone_says_are_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickets, "MAX_WORDS", 3)

    async def run() -> None:
        with opened(path) as store:
            for number in range(3):
                await store.holds.say(replace(WORD, value=str(number)))
            with pytest.raises(StoreDown, match="3 words"):
                await store.holds.say(replace(WORD, value="one more"))
            assert len(await store.holds.all_words()) == 3

    asyncio.run(run())


@pytest.mark.parametrize(
    "sql",
    [
        sqlite_seen._FIND,
        sqlite_seen._FORGET,
        sqlite_ratings._FIND,
        sqlite_ratings._FORGET,
        rating_changes.HISTORY,
        rating_changes._SHORTEN,
        rating_changes._FORGET,
        sqlite_words._NEWEST,
        sqlite_words._UNSAY,
        sqlite_words._FORGET,
        sqlite_holds._PUT_CARD,
    ],
)
def test_every_question_uses_an_index(path: Path, sql: str) -> None:
    with opened(path) as store:
        connection = store._writer._kept.open()
        plan = connection.execute("EXPLAIN QUERY PLAN " + sql, [1] * sql.count("?")).fetchall()
    told = " / ".join(str(row[3]) for row in plan)
    assert "INDEX" in told or "PRIMARY KEY" in told
    assert "TEMP B-TREE" not in told


def test_a_flood_of_one_kind_costs_no_other_anything(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_seen, "_AT_ONCE", 3)
    monkeypatch.setattr(sqlite_seen, "MAX_ROWS", 20)

    async def run() -> None:
        with opened(path) as store:
            for kind, keep in (
                ("listed", 7),
                ("greylist", 35),
                ("correspondent-any", 9),
                ("correspondent", 9),
            ):
                for number in range(3):
                    store.seen.note(f"{kind} {number}", now=NOW, keep=keep * DAY)
            for number in range(60):
                store.seen.note(f"rdns {number}", now=NOW, keep=90 * DAY)
            await written(store)
            chores_now(store)
            few = "SELECT count(*) BETWEEN 18 AND 20, sum(key NOT LIKE 'rdns %') FROM seen"
            await until(lambda: rows(path, few) == [(1, 12)])

    asyncio.run(run())
