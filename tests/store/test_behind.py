"""Writing behind, with a file that works, that hangs, and that takes nothing."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from postward.state import StoreDown
from postward.store import behind
from postward.store.behind import Behind
from postward.store.database import Database
from postward.store.schema import STATE
from postward.store.writer import Writer


class Sums:
    """Adds numbers up, in the table `changes`."""

    def __init__(self) -> None:
        self.told: dict[str, int] = {}
        self.batches = 0

    def add_up(self, older: int, newer: int) -> int:
        return older + newer

    def write(self, connection: sqlite3.Connection, noted: Mapping[str, int]) -> dict[str, int]:
        self.batches += 1
        for row in noted.items():
            connection.execute(
                "INSERT INTO changes VALUES (?, ?)"
                " ON CONFLICT (noun) DO UPDATE SET serial = serial + excluded.serial",
                row,
            )
        return dict(connection.execute("SELECT noun, serial FROM changes").fetchall())

    def written(self, rows: Mapping[str, int], read: float) -> None:
        assert read <= time.monotonic()
        self.told |= rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def writer(path: Path) -> Iterator[Writer]:
    database = Database(path, STATE)
    made = Writer(database, database.connect(), "test")
    made.start()
    yield made
    made.close()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def rows(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute("SELECT noun, serial FROM changes").fetchall())


async def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it does not happen"
        await asyncio.sleep(0.01)


def test_notes_are_written_within_a_moment_in_one_batch(writer: Writer, path: Path) -> None:
    sums = Sums()

    async def run() -> None:
        notes = Behind(writer, sums, "sums")
        began = time.monotonic()
        for number in range(100):
            notes.put(f"key {number % 3}", 1)
        assert notes.pending("key 0") == 34
        await until(lambda: sum(rows(path).values()) == 100)
        assert time.monotonic() - began < 1
        await until(lambda: not notes.waits("key 0"))
        assert sums.told == {"key 0": 34, "key 1": 33, "key 2": 33}
        assert sums.batches == 1

    asyncio.run(run())


def test_what_is_pushed_is_written_before_the_next_question(writer: Writer) -> None:
    async def run() -> None:
        notes = Behind(writer, Sums(), "sums")
        assert not notes.push()
        notes.put("key", 7)
        assert notes.push()
        found = await writer.ask(lambda connection: connection.execute("SELECT * FROM changes").fetchall())
        assert found == [("key", 7)]
        assert not notes.waits("key")

    asyncio.run(run())


def test_what_is_flushed_is_written_when_the_writer_closes(writer: Writer, path: Path) -> None:
    async def run() -> None:
        notes = Behind(writer, Sums(), "sums")
        notes.put("key", 7)
        notes.flush()

    asyncio.run(run())
    writer.close()
    assert rows(path) == {"key": 7}


def test_what_was_noted_in_trouble_is_written_once_after_it(
    writer: Writer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(behind, "_AGAIN", 0.05)

    async def run() -> None:
        notes = Behind(writer, Sums(), "sums")
        with locked(path):
            for _ in range(3):
                notes.put("key", 1)
                notes.push()
                with pytest.raises(StoreDown):
                    await writer.ask(lambda connection: None)
            notes.put("other", 1)
            assert notes.pending("key") == 3
        await until(lambda: rows(path) == {"key": 3, "other": 1})

    asyncio.run(run())


def test_of_too_much_the_oldest_is_dropped_with_one_line(
    writer: Writer, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        notes = Behind(writer, Sums(), "sums", most=10)
        for number in range(50):
            notes.put(str(number), 1)
        await until(lambda: set(rows(path)) == {str(number) for number in range(40, 50)})

    asyncio.run(run())
    alarms = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert alarms == ["sums: too much waits for the disk: the oldest is dropped"]


def test_a_batch_of_an_event_loop_that_ended_is_written(writer: Writer, path: Path) -> None:
    notes = Behind(writer, Sums(), "sums")

    async def put() -> None:
        notes.put("key", 1)

    for _ in range(5):
        asyncio.run(put())

    async def last() -> None:
        notes.put("key", 1)
        await until(lambda: rows(path) == {"key": 6})

    asyncio.run(last())
