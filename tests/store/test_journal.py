"""The journal: written by several processes, never in anybody's way, bounded, quickly searched."""

import logging
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from postward.store import journal
from postward.store.database import Database
from postward.store.journal import JournalReader, JournalRow, JournalWriter
from postward.store.schema import JOURNAL
from postward.tools import StoreDown

NOW = 1_800_000_000.0
DAY = 86_400.0
ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def row(number: int, **changed: str) -> JournalRow:
    plain = JournalRow(
        time=NOW + number,
        trace=f"{number:010d}",
        queue_id=f"4Q{number}",
        door="policyd",
        stage="rcpt",
        client="192.0.2.1",
        sender=f"s{number}@example.org",
        recipient="r@example.net",
        login="",
        decision="continue",
        body_json=f"[{number}]",
    )
    return plain._replace(**changed)  # type: ignore[arg-type]  # the texts only


@contextmanager
def writing(
    path: Path, *, keep: float = 30 * DAY, most: int = 10**9, now: float = NOW
) -> Iterator[JournalWriter[JournalRow]]:
    writer: JournalWriter[JournalRow] = JournalWriter(
        path, keep_seconds=keep, max_bytes=most, render=lambda item: item, wall=lambda: now, steady=None
    )
    try:
        yield writer
    finally:
        writer.close()


@contextmanager
def reading(path: Path) -> Iterator[JournalReader]:
    reader = JournalReader(path)
    try:
        yield reader
    finally:
        reader.close()


def traces(rows: list[JournalRow]) -> list[int]:
    return [int(each.trace) for each in rows]


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.01)


def count(path: Path) -> int:
    """Rows there are; none before there is a table."""
    with closing(sqlite3.connect(path)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'journal'").fetchall():
            return 0
        return int(connection.execute("SELECT count(*) FROM journal").fetchone()[0])


# --- Writing -------------------------------------------------------------------------------------
def test_what_is_written_is_read(path: Path) -> None:
    with writing(path) as writer:
        writer.write(row(7))
    with reading(path) as reader:
        assert reader.latest(10) == [row(7)]


def test_it_is_written_within_a_moment(path: Path) -> None:
    with writing(path) as writer:
        for number in range(3):  # also when it was idle between
            writer.write(row(number))
            until(lambda number=number: path.exists() and count(path) == number + 1)  # type: ignore[misc]


def test_rendering_happens_in_the_thread(path: Path) -> None:
    where: list[str] = []

    def render(item: int) -> JournalRow:
        where.append(threading.current_thread().name)
        return row(item)

    writer = JournalWriter(path, keep_seconds=DAY, max_bytes=10**9, render=render)
    writer.write(1)
    writer.close()
    assert where == ["journal"]


def test_many_are_written_in_their_order(path: Path) -> None:
    with writing(path) as writer:
        for number in range(5_000):
            writer.write(row(number))
    with reading(path) as reader:
        assert traces(reader.latest(10_000)) == list(range(4_999, -1, -1))


def test_one_that_cannot_be_rendered_stops_no_other(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def render(item: int) -> JournalRow:
        return row(10 // item)

    writer = JournalWriter(path, keep_seconds=1e12, max_bytes=10**9, render=render)
    for item in (5, 0, 10):
        writer.write(item)
    writer.close()
    with reading(path) as reader:
        assert traces(reader.latest(10)) == [1, 2]
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("text", ["\udcff\ud800", "a\0b", "x" * 100_000, "'); DROP TABLE journal;--"])
def test_any_text_can_be_written(path: Path, text: str) -> None:
    with writing(path) as writer:
        writer.write(row(1, sender=text, queue_id=text, body_json=text))
    with reading(path) as reader:
        assert traces(reader.latest(10)) == [1]


def test_several_processes_write_one_file(path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom tests.store.test_journal import row, writing\n"
        "with writing(Path(sys.argv[1])) as writer:\n"
        "    for number in range(1000):\n        writer.write(row(number))\n"
    )
    children = [subprocess.Popen([sys.executable, "-c", program, path], cwd=ROOT) for _ in range(4)]
    assert [child.wait() for child in children] == [0] * 4
    assert count(path) == 4_000


# --- Trouble -------------------------------------------------------------------------------------
@contextmanager
def locked(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def alarms(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.levelname for record in caplog.records if record.levelno >= logging.WARNING]


def test_in_trouble_entries_wait(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with writing(path) as writer:
        writer.write(row(0))
        until(lambda: path.exists() and count(path) == 1)
        with locked(path):
            writer.write(row(1))
            until(lambda: alarms(caplog) == ["ERROR"])
            writer.write(row(2))
        until(lambda: count(path) == 3)
    assert alarms(caplog) == ["ERROR", "WARNING"]


def test_too_many_are_dropped_and_counted(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "MOST_WAITING", 10)
    with writing(path) as writer:
        writer.write(row(0))
        until(lambda: path.exists() and count(path) == 1)
        with locked(path):
            for number in range(1, 31):
                writer.write(row(number))
            until(lambda: alarms(caplog) == ["ERROR"])
        until(lambda: count(path) == 11)
        until(lambda: len(alarms(caplog)) == 2)
    assert "20 decisions were not recorded" in caplog.text


def test_writing_never_waits_while_the_file_is_locked(path: Path) -> None:
    with writing(path) as writer:
        writer.write(row(0))
        until(lambda: path.exists() and count(path) == 1)
        with locked(path):
            began = time.monotonic()
            for number in range(1, 2_001):
                writer.write(row(number))
            assert time.monotonic() - began < 1
        until(lambda: count(path) == 2_001)


def test_a_directory_that_is_missing_is_trouble_and_passes(tmp_path: Path) -> None:
    path = tmp_path / "later" / "journal.db"
    with writing(path) as writer:
        writer.write(row(1))
        (tmp_path / "later").mkdir()
        until(lambda: path.exists() and len(journal_rows(path)) == 1)


def journal_rows(path: Path) -> list[JournalRow]:
    try:
        with reading(path) as reader:
            return reader.latest(10)
    except StoreDown:  # not made yet
        return []


def test_a_corrupt_file_is_moved_aside(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(b"no database at all " * 1_000)
    with writing(path) as writer:
        writer.write(row(1))
    assert traces(journal_rows(path)) == [1]
    assert "CRITICAL" in alarms(caplog)
    assert len(list(path.parent.glob("journal.db.corrupt-*"))) == 1


def test_what_cannot_be_written_at_the_end_is_told(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Database) -> sqlite3.Connection:
        raise sqlite3.OperationalError("no disk")

    monkeypatch.setattr(Database, "connect", refuse)
    with writing(path) as writer:
        writer.write(row(1))
    assert "1 decisions are not recorded" in caplog.text


# --- Retention -----------------------------------------------------------------------------------
def test_old_rows_go(path: Path) -> None:
    with writing(path) as writer:
        for number in range(3_000):
            writer.write(row(number))
    with writing(path, now=NOW + 30 * DAY + 2_000) as writer:
        writer.write(row(40 * 86_400))
        until(lambda: count(path) == 1_001)
    with reading(path) as reader:
        assert min(traces(reader.latest(10_000))) == 2_000


def test_the_oldest_go_when_there_is_too_much_and_the_file_shrinks(path: Path) -> None:
    with writing(path) as writer:
        for number in range(5_000):
            writer.write(row(number, body_json="x" * 1_000))
    before = path.stat().st_size
    with writing(path, most=before // 4) as writer:
        writer.write(row(5_000))
        until(lambda: count(path) < 2_000)
        until(lambda: not writer._more_to_tidy)
    assert count(path) > 500
    assert path.stat().st_size <= before // 2
    with reading(path) as reader:
        assert traces(reader.latest(1)) == [5_000]


# --- Reading -------------------------------------------------------------------------------------
@pytest.fixture
def reader(path: Path) -> Iterator[JournalReader]:
    with writing(path) as writer:
        writer.write(row(1, trace="7QK2M8XW4T", login="alice@example.org"))
        writer.write(row(2, trace="7QK2M8XW4T", queue_id="", recipient="Alice@Example.org"))
        writer.write(row(3, trace="7QK2ZZZZZZ", sender="", recipient=""))
        writer.write(row(4, trace="8000000000", queue_id="4Q1", client="2001:db8::1"))
    with reading(path) as opened:
        yield opened


def times(rows: list[JournalRow]) -> list[int]:
    return [int(each.time - NOW) for each in rows]


def test_by_trace(reader: JournalReader) -> None:
    assert times(reader.by_trace("7QK2M8XW4T")) == [1, 2]
    assert times(reader.by_trace("7QK2")) == [1, 2, 3]
    assert times(reader.by_trace("9")) == []


def test_by_queue_id(reader: JournalReader) -> None:
    assert times(reader.by_queue_id("4Q1")) == [1, 4]
    assert times(reader.by_queue_id("")) == []


def test_by_address(reader: JournalReader) -> None:
    assert times(reader.by_address("ALICE@example.org", 10)) == [2, 1]
    assert times(reader.by_address("ALICE@example.org", 1)) == [2]
    assert times(reader.by_address("s1@example.org", 10)) == [1]
    assert times(reader.by_address("2001:db8::1", 10)) == [4]
    assert times(reader.by_address("", 10)) == []


def test_latest(reader: JournalReader) -> None:
    assert times(reader.latest(3)) == [4, 3, 2]


@pytest.mark.parametrize("text", ["%", "_", "'; DROP TABLE journal;--", "\U0010ffff", "\0"])
def test_what_is_asked_is_only_a_value(reader: JournalReader, text: str) -> None:
    assert reader.by_trace(text) == reader.by_queue_id(text) == reader.by_address(text, 10) == []
    assert len(reader.latest(10)) == 4


def test_text_that_utf_8_cannot_spell_finds_nothing(reader: JournalReader) -> None:
    assert reader.by_trace("\udcff") == reader.by_queue_id("\udcff") == reader.by_address("\udcff", 10) == []


@pytest.mark.parametrize("sql", [journal.BY_TRACE, journal.BY_QUEUE_ID, journal.BY_ADDRESS, journal._TOO_OLD])
def test_every_question_uses_an_index(path: Path, sql: str) -> None:
    with closing(Database(path, JOURNAL).connect()) as connection:
        plan = connection.execute("EXPLAIN QUERY PLAN " + sql, ["1"] * sql.count("?")).fetchall()
    told = [str(line[3]) for line in plan]
    assert not [
        each for each in told if each.startswith("SCAN") and "INDEX" not in each and "(subquery" not in each
    ]
    assert any("INDEX journal_" in each for each in told)


def test_it_reads_while_others_write(path: Path) -> None:
    with writing(path) as writer:
        writer.write(row(1))
        until(lambda: len(journal_rows(path)) == 1)
        with reading(path) as reader, locked(path):
            assert times(reader.latest(10)) == [1]


def test_no_journal_is_said_plainly(path: Path) -> None:
    with pytest.raises(StoreDown, match=r"no journal at .*journal\.db"):
        JournalReader(path)


def test_what_is_no_journal_is_said_plainly(path: Path) -> None:
    path.write_bytes(b"no database at all " * 1_000)
    with reading(path) as reader, pytest.raises(StoreDown, match="cannot be read"):
        reader.latest(1)
