"""What only the SQLite store does: it outlives its process, is shared, forgets, and stays bounded."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from postward.eager import Ready, start
from postward.state import Count, Meeting, StoreDown, Ticket, Window
from postward.store import sqlite_counters, sqlite_greylist, sqlite_holds
from postward.store.hit_log import Hit, HitLog, Place
from postward.store.sqlite import SqliteStore

NOW = 1_800_000_000.0
HOUR, DAY = 3_600, 86_400
HOURLY = (Window(5, 60), Window(100, HOUR))
VERSION_1 = (Path(__file__).parent / "version_1.sql").read_text()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@contextmanager
def opened(path: Path, steady: Callable[[], float] | None = None) -> Iterator[SqliteStore]:
    store = SqliteStore(path, steady=steady)
    try:
        yield store
    finally:
        store.close()


async def meet(store: SqliteStore, after: float, key: str = "key") -> Meeting:
    return await store.greylist.meet(key, now=NOW + after, delay=300, window=2 * DAY, keep=35 * DAY)


async def hit(store: SqliteStore, after: float, key: str = "key", instance: str = "") -> tuple[Count, ...]:
    return await store.counters.hit(key, HOURLY, 1, now=NOW + after, instance=instance)


async def hold(store: SqliteStore, domain: str = "example.org", after: float = 0) -> Ticket:
    return await store.holds.meet(domain, now=NOW + after, evidence="", knock={})


async def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it does not happen"
        await asyncio.sleep(0.01)


def log(path: Path) -> list[str]:
    return Path(f"{path}-hits").read_text().splitlines()


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


# --- It outlives its process ---------------------------------------------------------------------
def test_a_greylist_meeting_is_known_after_a_restart(path: Path) -> None:
    with opened(path) as store:
        asyncio.run(meet(store, 0))
    with opened(path) as store:
        assert asyncio.run(meet(store, 300)) == Meeting(True, 0.0, 2)


def test_a_meeting_is_written_within_a_moment(path: Path) -> None:
    async def run() -> None:
        with opened(path) as store:
            await meet(store, 0)
            await until(lambda: rows(path, "SELECT key FROM greylist") == [("key",)])

    asyncio.run(run())


def test_what_was_booked_counts_after_a_restart(path: Path) -> None:
    for number in range(1, 6):
        with opened(path) as store:
            assert [each.used for each in asyncio.run(hit(store, number))] == [number, number]
    with opened(path) as store:
        assert not asyncio.run(hit(store, 6))[0].granted


def test_an_instance_is_known_after_a_restart(path: Path) -> None:
    with opened(path) as store:
        asyncio.run(hit(store, 0, instance="a"))
    with opened(path) as store:
        assert asyncio.run(hit(store, 1, instance="a"))[0].used == 1


def test_a_booking_is_in_the_log_when_it_is_answered(path: Path) -> None:
    async def run() -> None:
        with opened(path) as store:
            await hit(store, 0)
            await hit(store, 0, "second key", "an instance")
            lines = log(path)
            assert lines[-1].split("\t")[1:] == ["1", "60,3600", "an instance", "second key"]

    asyncio.run(run())


def test_bookings_are_folded_into_the_database(path: Path) -> None:
    async def run() -> None:
        with opened(path) as store:
            for _ in range(5):
                await hit(store, 0)
            folded = "SELECT seconds, used FROM counts WHERE key = 'key' ORDER BY seconds"
            await until(lambda: rows(path, folded) == [(60, 5), (HOUR, 5)])

    asyncio.run(run())


USED = "SELECT sum(used) FROM counts WHERE seconds = 60"


def reads_of_log(monkeypatch: pytest.MonkeyPatch) -> list[Place]:
    """From which places the log is read from now on."""
    reads: list[Place] = []
    real = HitLog.hits_after

    def hits_after(
        self: HitLog, place: Place, upto: Place | None = None
    ) -> Iterator[tuple[list[Hit], Place]]:
        reads.append(place)
        return real(self, place, upto)

    monkeypatch.setattr(HitLog, "hits_after", hits_after)
    return reads


def test_folding_does_not_read_the_log(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        with opened(path) as store:
            await hit(store, 0)  # takes over
            reads = reads_of_log(monkeypatch)
            for number in range(2, 5):
                await hit(store, number)
                chores_now(store)
                await until(lambda used=number: rows(path, USED) == [(used,)])  # type: ignore[misc]
            assert not reads

    asyncio.run(run())


def test_a_key_hit_often_is_written_once(path: Path) -> None:
    """A fold writes what was booked in a slice, however many bookings that were."""

    async def run() -> None:
        with opened(path) as store:
            for number in range(500):
                await store.counters.hit("key", (Window(1_000, 60),), 1, now=NOW, instance=str(number))
            connection = store._writer._kept.open()
            before = connection.total_changes
            chores_now(store)
            await until(lambda: rows(path, USED) == [(500,)])
            assert connection.total_changes - before < 10

    asyncio.run(run())


def test_a_fold_that_failed_is_made_good_from_the_log(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        with opened(path) as store:
            await hit(store, 0)
            chores_now(store)
            await until(lambda: rows(path, USED) == [(1,)])
            failed = []

            def fail(connection: sqlite3.Connection, sql: str, values: list[object], width: int) -> None:
                failed.append(values)
                raise sqlite3.OperationalError("disk I/O error")

            with monkeypatch.context() as broken:
                broken.setattr(sqlite_counters, "write_rows", fail)
                await hit(store, 1)
                chores_now(store)
                await until(lambda: bool(failed))
            await hit(store, 2)
            chores_now(store)
            await until(lambda: rows(path, USED) == [(3,)])
        assert rows(path, USED) == [(3,)]

    asyncio.run(run())


def test_too_many_sums_are_dropped_and_read_from_the_log(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_counters, "_FOLD_AT", 10)
    monkeypatch.setattr(sqlite_counters, "_MOST_SUMS", 20)
    monkeypatch.setattr(sqlite_counters, "_FOLD_MOST", 7)

    async def run() -> None:
        with opened(path) as store:
            await hit(store, 0, "first")
            with closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                for key in range(50):
                    await hit(store, 0, str(key))
                assert len(store.counters._sums) <= 40
                other.execute("ROLLBACK")
            for key in range(50):
                await hit(store, 0, str(key))
            chores_now(store)
            await until(lambda: rows(path, USED) == [(101,)])
        assert rows(path, USED) == [(101,)]

    asyncio.run(run())


def folded(store: SqliteStore) -> bool:
    store._writer.poke()
    return store.counters._written - store.counters._folded < 50


def test_a_key_that_left_memory_still_counts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many more keys than memory holds, folding late: none of them is ever granted too much."""
    monkeypatch.setattr(sqlite_counters, "_FOLD_AT", 50)

    async def run() -> None:
        with opened(path) as store:
            store.counters._ledger.accounts._half = 20
            for number in range(1, 8):
                for key in range(300):
                    counts = await hit(store, 0, str(key))
                    assert counts[0].granted == (number <= 5)
                    assert counts[0].used == min(number, 5)
                    if key % 40 == 0:
                        await until(lambda: folded(store))
                # what is refused is not written, so that nothing says when it may go
                assert number > 5 or len(store.counters._ledger.accounts) < 150

    asyncio.run(run())


def test_a_greylist_key_that_left_memory_is_read_again(path: Path) -> None:
    async def run() -> None:
        with opened(path) as store:
            store.greylist._entries._half = 20
            for key in range(300):
                await meet(store, 0, str(key))
            for key in range(300):
                assert (await meet(store, 300, str(key))).passed

    asyncio.run(run())


def test_a_file_of_version_1_is_used_on(path: Path) -> None:
    with closing(sqlite3.connect(path)) as old:
        old.executescript(VERSION_1)

    async def run() -> None:
        with opened(path) as store:
            assert (await meet(store, 0, "known")).passed
            assert [each.used for each in await hit(store, 0, "busy")] == [1, 5]
            assert (await hold(store, "example.org")).verdict == "waiting"

    asyncio.run(run())


# --- It does not wait where it need not ----------------------------------------------------------
def test_neither_a_new_key_nor_a_booking_waits(path: Path) -> None:
    async def run() -> None:
        with opened(path) as store:
            await hit(store, 0, "first")  # takes over
            assert isinstance(start(meet(store, 0, "new")), Ready)
            assert isinstance(start(hit(store, 0, "new", "instance")), Ready)
            assert isinstance(start(hit(store, 0, "new", "instance")), Ready)

    asyncio.run(run())


def test_finding_a_ticket_does_not_wait(path: Path) -> None:
    async def run() -> None:
        with opened(path) as store:
            ticket = await hold(store, "example.org")
            assert isinstance(start(store.holds.find(ticket.id)), Ready)

    asyncio.run(run())


# --- Time ----------------------------------------------------------------------------------------
class Steady:
    now = 5_000.0

    def __call__(self) -> float:
        return self.now


def test_a_clock_set_ahead_frees_no_window(path: Path) -> None:
    async def run() -> None:
        with opened(path, Steady()) as store:
            for _ in range(5):
                await hit(store, 0)
            (refused, _) = await hit(store, 10 * 365 * DAY)
            assert not refused.granted

    asyncio.run(run())


def test_a_clock_set_ahead_forgets_no_pass_and_lets_nobody_in(path: Path) -> None:
    steady = Steady()

    async def run() -> None:
        with opened(path, steady) as store:
            await meet(store, 0, "known")
            steady.now += 400
            await meet(store, 400, "known")
            await meet(store, 400, "new")
            steady.now += 1
            assert (await meet(store, 10 * 365 * DAY, "known")).passed
            assert await meet(store, 10 * 365 * DAY, "new") == Meeting(False, 299.0, 2)

    asyncio.run(run())


def test_a_clock_set_back_between_two_runs_moves_nothing(path: Path) -> None:
    with opened(path, Steady()) as store:
        asyncio.run(meet(store, 0))
    with opened(path, Steady()) as store:
        assert 299 < asyncio.run(meet(store, -5 * HOUR)).wait <= 300


# --- It is shared --------------------------------------------------------------------------------
def test_what_another_process_decides_counts_at_once(path: Path) -> None:
    async def run() -> None:
        with opened(path) as daemon, opened(path) as command:
            ticket = await hold(daemon, "example.org")
            assert await command.holds.decide(ticket.id, "approved", now=NOW, by="root", note="") is not None
            found = await daemon.holds.find("example.org")
            assert found is not None
            assert found.verdict == "approved"
            assert (await hold(daemon, "example.org")).verdict == "approved"

    asyncio.run(run())


def test_two_processes_open_one_ticket(path: Path) -> None:
    async def run() -> None:
        with opened(path) as one, opened(path) as other:
            met = await asyncio.gather(*[hold(store, "example.org") for store in (one, other) * 20])
            assert len({each.id for each in met}) == 1
            assert max(each.attempts for each in met) == 40

    asyncio.run(run())


def test_one_process_at_a_time_counts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_counters, "_ASK_AGAIN", 0.0)

    async def run() -> None:
        with opened(path) as other:
            with opened(path) as owner:
                await hit(owner, 0)
                with pytest.raises(StoreDown, match="another process counts"):
                    await hit(other, 0)
            assert (await hit(other, 1))[0].used == 2

    asyncio.run(run())


def test_who_may_not_count_may_do_all_else(path: Path) -> None:
    async def run() -> None:
        with opened(path) as owner, opened(path) as other:
            await hit(owner, 0)
            with pytest.raises(StoreDown):
                await hit(other, 0)
            assert not (await meet(other, 0)).passed
            assert (await hold(other, "example.org")).attempts == 1

    asyncio.run(run())


# --- It forgets ----------------------------------------------------------------------------------
def chores_now(store: SqliteStore) -> None:
    for chore in store._writer._chores:
        chore.last = 0.0
    store._writer.poke()


def test_expired_rows_are_deleted(path: Path) -> None:
    async def run() -> None:
        with opened(path) as store:
            for key in range(1_200):
                await meet(store, 0, str(key))
            await hit(store, 0)
            await hold(store, "example.org")
            count = (
                "SELECT (SELECT count(*) FROM greylist), (SELECT count(*) FROM counts),"
                " (SELECT count(*) FROM tickets)"
            )
            await until(lambda: rows(path, count) == [(1_200, 2, 1)])
            await meet(store, 31 * DAY, "later")
            chores_now(store)
            await until(lambda: rows(path, count) == [(1, 0, 0)])

    asyncio.run(run())


def test_a_decided_ticket_is_kept_for_longer(path: Path) -> None:
    async def run() -> None:
        with opened(path) as store:
            ticket = await hold(store, "example.org")
            await hold(store, "other.example")
            await store.holds.decide(ticket.id, "denied", now=NOW, by="", note="")
            await meet(store, 399 * DAY, "later")
            chores_now(store)
            await until(lambda: rows(path, "SELECT domain FROM tickets") == [("example.org",)])
            await meet(store, 401 * DAY, "later")
            chores_now(store)
            await until(lambda: rows(path, "SELECT domain FROM tickets") == [])

    asyncio.run(run())


def test_too_many_rows_are_deleted_those_first_that_expire_first(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_greylist, "_AT_ONCE", 3)

    async def run() -> None:
        with opened(path) as store:
            for key in range(30):
                await meet(store, key, f"{key:02}")
            await until(lambda: rows(path, "SELECT count(*) FROM greylist") == [(30,)])
            monkeypatch.setattr(sqlite_greylist, "MAX_ROWS", 10)
            chores_now(store)
            left = "SELECT count(*), max(key) FROM greylist"
            await until(lambda: rows(path, left) in ([(9, "29")], [(10, "29")], [(8, "29")]))

    asyncio.run(run())


def test_too_many_waiting_tickets_are_deleted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_holds, "MAX_WAITING", 5)
    monkeypatch.setattr(sqlite_holds, "_AT_ONCE", 2)

    async def run() -> None:
        with opened(path) as store:
            approved = await hold(store, "kept.example")
            await store.holds.decide(approved.id, "approved", now=NOW, by="", note="")
            for each in range(20):
                await hold(store, f"d{each}.example", each)
            chores_now(store)
            waiting = "SELECT count(*) FROM tickets WHERE verdict = 'waiting'"
            await until(lambda: rows(path, waiting) in ([(5,)], [(4,)]))
            assert rows(path, "SELECT domain FROM tickets WHERE verdict = 'approved'") == [("kept.example",)]

    asyncio.run(run())


def test_too_many_decided_tickets_are_deleted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that nobody has decided go before those that a person has."""
    monkeypatch.setattr(sqlite_holds, "MAX_DECIDED", 5)

    async def run() -> None:
        with opened(path) as store:
            await hold(store, "waits.example")
            for each in range(20):
                ticket = await hold(store, f"d{each}.example", each)
                by = "root" if each < 3 else "deadline"
                await store.holds.decide(ticket.id, "approved", now=NOW + each, by=by, note="")
            chores_now(store)
            people = "SELECT count(*) FROM tickets WHERE decided_by = 'root'"
            await until(lambda: rows(path, "SELECT count(*) FROM tickets") in ([(1,)], [(6,)], [(4,)]))
            assert rows(path, "SELECT domain FROM tickets WHERE verdict = 'waiting'") == [("waits.example",)]
            assert rows(path, people) in ([(3,)], [(0,)])

    asyncio.run(run())


def test_what_nobody_decided_is_kept_for_a_month(path: Path) -> None:
    async def run() -> None:
        with opened(path) as store:
            for by in ("root", "deadline"):
                ticket = await hold(store, f"{by}.example")
                await store.holds.decide(ticket.id, "approved", now=NOW, by=by, note="")
                await hold(store, f"{by}.example", 1)
            days = "SELECT expires / 1000 - 1800000001 FROM tickets ORDER BY domain"
            assert rows(path, days) == [(30 * 86_400,), (400 * 86_400,)]

    asyncio.run(run())


@pytest.mark.parametrize(
    "sql",
    [
        sqlite_greylist._FIND,
        sqlite_greylist._FORGET,
        sqlite_counters._FIND,
        sqlite_counters._FORGET,
        sqlite_holds._BY_ID,
        sqlite_holds._BY_DOMAIN,
        sqlite_holds._NEWEST,
        sqlite_holds._NEWEST_OF,
        sqlite_holds._DUE,
        sqlite_holds._PUT_DUE,
        sqlite_holds._FORGET,
    ],
)
def test_every_question_uses_an_index(path: Path, sql: str) -> None:
    with opened(path) as store:
        plan = (
            store._writer._kept.open().execute("EXPLAIN QUERY PLAN " + sql, [1] * sql.count("?")).fetchall()
        )
    told = " / ".join(str(row[3]) for row in plan)
    assert "INDEX" in told or "PRIMARY KEY" in told
    assert "TEMP B-TREE" not in told


def test_a_person_and_the_deadline_in_two_processes_at_once(path: Path) -> None:
    """Whoever comes first, the person's decision stands."""
    policyd, console = SqliteStore(path), SqliteStore(path)

    async def run() -> None:
        for number in range(20):
            ticket = await policyd.holds.meet(f"d{number}.example", now=NOW, evidence="", knock={})
            deadline = policyd.holds.decide(
                ticket.id, "approved", now=NOW, by="deadline", note="", only_if="waiting"
            )
            person = console.holds.decide(ticket.id, "denied", now=NOW, by="carol", note="")
            await asyncio.gather(*((deadline, person) if number % 2 else (person, deadline)))
            decided = await policyd.holds.find(ticket.id)
            assert decided is not None
            assert (decided.verdict, decided.decided_by) == ("denied", "carol")

    asyncio.run(run())
    policyd.close()
    console.close()
