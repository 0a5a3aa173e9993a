"""The SQLite store in trouble: `StoreDown` in time, one alarm, and it works again by itself."""

import asyncio
import logging
import resource
import signal
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from postward.state import Meeting, StoreDown, Ticket, Window, Word
from postward.store import writer
from postward.store.database import Database
from postward.store.sqlite import SqliteStore

NOW = 1_800_000_000.0
WINDOWS = (Window(1_000, 60),)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(path)
    yield opened
    opened.close()


async def hold(store: SqliteStore, domain: str = "example.org") -> Ticket:
    return await store.holds.meet(domain, now=NOW, evidence="", knock={})


async def hit(store: SqliteStore, key: str = "key") -> int:
    return (await store.counters.hit(key, WINDOWS, 1, now=NOW, instance=""))[0].used


async def meet(store: SqliteStore, key: str = "key", after: float = 0) -> Meeting:
    return await store.greylist.meet(key, now=NOW + after, delay=300, window=86_400, keep=86_400)


async def refused_in_time(asked: Callable[[], object]) -> None:
    began = time.monotonic()
    with pytest.raises(StoreDown):
        await asked()  # type: ignore[misc]
    assert time.monotonic() - began < 2


async def until_it_works(store: SqliteStore) -> None:
    end = time.monotonic() + 10
    while True:
        try:
            await hold(store)
            return
        except StoreDown:
            assert time.monotonic() < end, "it does not work again"
            await asyncio.sleep(0.05)


async def until_written(store: SqliteStore) -> None:
    end = time.monotonic() + 10
    while not (store.seen._behind.is_empty and store.ratings._behind.is_empty):
        assert time.monotonic() < end, "it is not written"
        await asyncio.sleep(0.05)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def alarms(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.levelname for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_lock_held_too_long_is_told_in_time_and_passes(
    store: SqliteStore, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        await hold(store)
        with locked(path):
            await asyncio.gather(*[refused_in_time(lambda: hold(store)) for _ in range(20)])
            await refused_in_time(lambda: hold(store))
        await until_it_works(store)

    asyncio.run(run())
    assert alarms(caplog) == ["ERROR", "WARNING"]


def test_greylist_and_limits_go_on_while_the_file_is_locked(store: SqliteStore, path: Path) -> None:
    async def run() -> None:
        await hit(store)
        await meet(store)
        with locked(path):
            assert await hit(store) == 2
            assert not (await meet(store, "new")).passed
            assert (await meet(store, after=300)).passed

    asyncio.run(run())


def test_what_was_greylisted_in_trouble_is_written_after_it(store: SqliteStore, path: Path) -> None:
    async def run() -> None:
        with locked(path):
            await meet(store, "in trouble")
            await refused_in_time(lambda: hold(store))
        await until_it_works(store)

    asyncio.run(run())
    store.close()
    with closing(sqlite3.connect(path)) as after:
        assert after.execute("SELECT key FROM greylist").fetchall() == [("in trouble",)]


def test_a_disk_that_hangs_is_told_in_time(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()

    async def run() -> None:
        await hold(store)
        hanging = asyncio.ensure_future(store._writer.ask(lambda connection: free.wait(10)))
        await asyncio.sleep(0)
        await refused_in_time(lambda: hold(store))
        with pytest.raises(StoreDown, match="no answer from the disk"):
            await hanging
        free.set()
        await until_it_works(store)

    monkeypatch.setattr(writer, "PATIENCE", 0.3)
    asyncio.run(run())


def test_too_much_that_waits_is_refused_at_once(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()
    monkeypatch.setattr(writer, "_MOST_WAITING", 10)

    async def run() -> None:
        waiting = [
            asyncio.ensure_future(store._writer.ask(lambda connection: free.wait(10))) for _ in range(10)
        ]
        await asyncio.sleep(0)
        with pytest.raises(StoreDown, match="too much waits"):
            await hold(store)
        free.set()
        await asyncio.gather(*waiting)
        await hold(store)

    asyncio.run(run())


def broken_by(
    monkeypatch: pytest.MonkeyPatch, break_: Callable[[sqlite3.Connection], None]
) -> Callable[[], None]:
    """From now on each connection that is opened is broken; the result mends that."""
    real = Database.connect

    def connect(self: Database) -> sqlite3.Connection:
        connection = real(self)
        break_(connection)
        return connection

    monkeypatch.setattr(Database, "connect", connect)
    return lambda: monkeypatch.setattr(Database, "connect", real)


def full(connection: sqlite3.Connection) -> None:
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")


def read_only(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA query_only = 1")


@pytest.mark.parametrize("trouble", [full, read_only])
def test_a_file_that_takes_no_more_is_told_and_passes(
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    trouble: Callable[[sqlite3.Connection], None],
) -> None:
    mend = broken_by(monkeypatch, trouble)

    async def run() -> None:
        store = SqliteStore(path)
        card = "x" * 16_000
        for _ in range(5):
            await refused_in_time(lambda: store.holds.meet("a.example", now=NOW, evidence=card, knock={}))
        assert (await meet(store)).attempts == 1
        mend()
        await until_it_works(store)
        store.close()

    asyncio.run(run())
    assert alarms(caplog) == ["ERROR", "WARNING"]


# --- What was met before, ratings, words -----------------------------------------------------------
WORD = Word("domain", "example.org", "denied", "root", "", NOW)
WRITES: dict[str, Callable[[SqliteStore], Awaitable[object]]] = {
    "forget": lambda store: store.seen.forget("key"),
    "set": lambda store: store.ratings.set("key", 5, now=NOW, by="root", reason="x" * 300),
    "clear": lambda store: store.ratings.clear("known", now=NOW, by="root", reason=""),
    "say": lambda store: store.holds.say(WORD),
    "unsay": lambda store: store.holds.unsay("domain", "example.org"),
    "put_card": lambda store: store.holds.put_card("nothing", {}),
    "put_reminded": lambda store: store.holds.put_reminded("nothing", "mail", 1),
    "put_due": lambda store: store.holds.put_due({"nothing": 1.0}),
    "put_all_due": lambda store: store.holds.put_all_due(),
}
READS: dict[str, Callable[[SqliteStore], Awaitable[object]]] = {
    "find": lambda store: store.seen.find("key", now=NOW),
    "rows": lambda store: store.seen.rows("kind", now=NOW),
    "read": lambda store: store.ratings.read(("key",), now=NOW),
    "ratings": lambda store: store.ratings.rows(now=NOW),
    "history": lambda store: store.ratings.history("key"),
    "words": lambda store: store.holds.words((("domain", "example.org"),), now=NOW),
    "due": lambda store: store.holds.due(now=NOW, limit=1),
    "all_words": lambda store: store.holds.all_words(),
}


def note(store: SqliteStore, key: str = "key") -> None:
    store.seen.note(key, now=NOW, keep=86_400)
    store.ratings.note((key,), -4, now=NOW, reason="why")


@pytest.mark.parametrize("verb", WRITES)
def test_a_persons_word_into_a_locked_file_is_told_in_time(store: SqliteStore, path: Path, verb: str) -> None:
    async def run() -> None:
        with locked(path):
            note(store)  # what was noted goes first
            await refused_in_time(lambda: WRITES[verb](store))
        await until_it_works(store)
        await WRITES[verb](store)

    asyncio.run(run())


@pytest.mark.parametrize("verb", READS)
def test_a_locked_file_is_read(store: SqliteStore, path: Path, verb: str) -> None:
    async def run() -> None:
        await hold(store)
        with locked(path):
            began = time.monotonic()
            await READS[verb](store)
            assert time.monotonic() - began < 0.5

    asyncio.run(run())


@pytest.mark.parametrize("verb", [*WRITES, *READS])
def test_a_file_that_is_not_there_is_told_in_time(tmp_path: Path, verb: str) -> None:
    async def run() -> None:
        store = SqliteStore(tmp_path / "later" / "state.db")
        await refused_in_time(lambda: (WRITES | READS)[verb](store))
        (tmp_path / "later").mkdir()
        await until_it_works(store)
        await (WRITES | READS)[verb](store)
        store.close()

    asyncio.run(run())


def test_a_disk_that_hangs_is_told_in_time_to_each(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "PATIENCE", 0.5)
    free = threading.Event()

    async def run() -> None:
        hanging = asyncio.ensure_future(store._writer.ask(lambda connection: free.wait(10)))
        await asyncio.sleep(0)
        note(store)
        await asyncio.gather(*[refused_in_time(lambda ask=ask: ask(store)) for ask in WRITES.values()])
        assert await store.seen.find("key", now=NOW) is not None
        with pytest.raises(StoreDown, match="no answer from the disk"):
            await hanging
        free.set()
        await until_it_works(store)

    asyncio.run(run())


@pytest.mark.parametrize("trouble", [full, read_only])
def test_what_is_in_memory_goes_on_in_a_file_that_takes_no_more(
    path: Path, monkeypatch: pytest.MonkeyPatch, trouble: Callable[[sqlite3.Connection], None]
) -> None:
    mend = broken_by(monkeypatch, trouble)

    async def run() -> None:
        store = SqliteStore(path)
        for number in range(2_000):
            note(store, f"{number} {'x' * 300}")
        note(store)
        card = "x" * 16_000
        await refused_in_time(lambda: store.holds.meet("a.example", now=NOW, evidence=card, knock={}))
        met, (rating,) = await store.seen.find("key", now=NOW), await store.ratings.read(("key",), now=NOW)
        assert met is not None
        assert met.times == 1
        assert rating is not None
        assert rating.points == -4
        mend()
        await until_it_works(store)
        await until_written(store)
        store.close()
        with closing(sqlite3.connect(path)) as after:
            count = "SELECT (SELECT count(*) FROM seen), (SELECT count(*) FROM ratings)"
            assert after.execute(count).fetchone() == (2_001, 2_001)

    asyncio.run(run())


def test_notes_in_trouble_are_written_at_the_close_by_a_fresh_connection(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection that was opened while the disk was full stays so until it fails."""
    mend = broken_by(monkeypatch, read_only)

    async def run() -> None:
        store = SqliteStore(path)
        note(store)
        mend()
        store.close()

    asyncio.run(run())
    with closing(sqlite3.connect(path)) as after:
        count = "SELECT (SELECT count(*) FROM seen), (SELECT count(*) FROM ratings)"
        assert after.execute(count).fetchone() == (1, 1)


def test_notes_that_a_close_cannot_write_are_counted_in_the_log(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken_by(monkeypatch, read_only)

    async def run() -> None:
        store = SqliteStore(path)
        note(store)
        note(store, "other")
        store.close()

    asyncio.run(run())
    lost = [text for text in caplog.messages if "notes are lost" in text]
    assert len(lost) == 2
    assert lost[0].startswith("what was met before: 2 notes are lost: OperationalError")


def test_a_file_that_becomes_corrupt_keeps_memory_and_takes_new_words(store: SqliteStore, path: Path) -> None:
    async def run() -> None:
        note(store)
        await hold(store)
        spoil(path)
        await until_it_works(store)
        await store.holds.say(WORD)
        assert await store.holds.words((("domain", "example.org"),), now=NOW) == (WORD,)
        note(store)
        assert await store.seen.find("key", now=NOW) is not None
        assert (await store.ratings.read(("key",), now=NOW))[0] is not None

    asyncio.run(run())


def test_a_disk_error_is_told_and_passes(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A real error of write(2), by a limit on the size of files."""
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    async def run() -> None:
        store = SqliteStore(path)
        await hit(store)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, limits[1]))
        try:
            await refused_in_time(lambda: hold(store))
            await refused_in_time(lambda: hit(store))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        await until_it_works(store)
        assert await hit(store) == 2  # what could not be written down was not booked
        store.close()

    asyncio.run(run())
    signal.signal(signal.SIGXFSZ, before)
    assert set(alarms(caplog)) == {"ERROR", "WARNING"}


def test_a_directory_that_is_missing_at_the_start_is_trouble_and_passes(tmp_path: Path) -> None:
    async def run() -> None:
        store = SqliteStore(tmp_path / "later" / "state.db")
        await refused_in_time(lambda: hold(store))
        await refused_in_time(lambda: hit(store))
        (tmp_path / "later").mkdir()
        await until_it_works(store)
        assert await hit(store) == 1
        store.close()

    asyncio.run(run())


def spoil(path: Path) -> None:
    """Overwrite the file, as a bad disk might."""
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
    with path.open("r+b") as file:
        file.write(b"\xff" * path.stat().st_size)


def delete(path: Path) -> None:
    for each in path.parent.glob("state.db*"):
        each.unlink()


def test_a_file_that_becomes_corrupt_is_moved_aside_and_the_store_goes_on(
    store: SqliteStore, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        await hold(store)
        await hit(store)
        spoil(path)
        await until_it_works(store)
        assert await hit(store) == 2

    asyncio.run(run())
    assert alarms(caplog).count("CRITICAL") == 1
    assert len([each for each in path.parent.iterdir() if ".corrupt-" in each.name and each.suffix]) >= 1


def test_bookings_outlive_a_state_file_that_was_lost(path: Path) -> None:
    first = SqliteStore(path)
    asyncio.run(hit(first))
    first.close()
    for each in ("", "-wal", "-shm"):
        Path(f"{path}{each}").unlink(missing_ok=True)
    second = SqliteStore(path)
    assert asyncio.run(hit(second)) == 2
    second.close()


def test_a_file_that_somebody_deletes_is_begun_anew(store: SqliteStore, path: Path) -> None:
    async def run() -> None:
        await hold(store)
        delete(path)
        await hold(store)
        assert await store.holds.find("example.org") is not None

    asyncio.run(run())


def test_one_jobs_fault_is_not_its_neighbours(store: SqliteStore, caplog: pytest.LogCaptureFixture) -> None:
    def fault(connection: sqlite3.Connection) -> None:
        raise RuntimeError("a bug")

    async def run() -> None:
        bad = asyncio.ensure_future(store._writer.ask(fault))
        good = asyncio.ensure_future(hold(store))
        with pytest.raises(StoreDown, match="a fault"):
            await bad
        assert (await good).attempts == 1

    asyncio.run(run())
    assert "a bug" in caplog.text


def test_a_caller_that_goes_away_harms_nobody(store: SqliteStore) -> None:
    async def run() -> None:
        gone = asyncio.ensure_future(hold(store))
        await asyncio.sleep(0)
        gone.cancel()
        assert (await hold(store)).domain == "example.org"

    asyncio.run(run())


def test_a_closed_store_is_down(path: Path) -> None:
    store = SqliteStore(path)
    store.close()
    with pytest.raises(StoreDown, match="closed"):
        asyncio.run(hold(store))
    store.close()
