"""The journal: written by several processes, never in anybody's way, bounded, and searched."""

import errno
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postward.state import StoreDown
from postward.store import journal
from postward.store.journal import JournalRow, JournalWriter, spell
from postward.store.journal_search import JournalReader

NOW = 1_800_000_000.0
DAY = 86_400.0
ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def row(number: int, **changed: object) -> JournalRow:
    plain = JournalRow(
        time=NOW + number,
        trace=f"{number:010d}",
        queue_id=f"4Q{number}",
        client="192.0.2.1",
        people=(f"s{number}@example.org", "r@example.net"),
        body_json=f"[{number}]",
    )
    return plain._replace(**changed)  # type: ignore[arg-type]  # fields of the row


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


def traces(path: Path) -> list[int]:
    """Of all rows, newest first."""
    return [int(each.trace) for each in JournalReader(path).latest(100_000)] if path.is_dir() else []


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.01)


# --- Writing -------------------------------------------------------------------------------------
def test_what_is_written_is_read(path: Path) -> None:
    with writing(path) as writer:
        writer.write(row(1))
    assert JournalReader(path).latest(10) == [row(1)]


def test_it_is_written_within_a_moment(path: Path) -> None:
    with writing(path) as writer:
        began = time.monotonic()
        writer.write(row(1))
        until(lambda: traces(path) == [1])
        assert time.monotonic() - began < 2


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
    assert traces(path) == list(range(4_999, -1, -1))


def test_one_that_cannot_be_rendered_stops_no_other(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    writer = JournalWriter(path, keep_seconds=1e12, max_bytes=10**9, render=lambda item: row(10 // item))
    for item in (5, 0, 10):
        writer.write(item)
    writer.close()
    assert traces(path) == [2, 1]
    assert "ZeroDivisionError" in caplog.text


@given(st.text(max_size=200), st.text(max_size=200))
def test_whatever_it_holds_a_row_is_one_line_with_its_fields(one: str, other: str) -> None:
    line = spell(row(1, queue_id=one, people=(other,), body_json=other))
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert line.count(journal.FIELD.encode()) == 5


def test_an_entry_beyond_all_bounds_is_not_written(path: Path) -> None:
    with writing(path) as writer:
        writer.write(row(1, body_json="x" * (2 << 20)))
        writer.write(row(2))
    assert traces(path) == [2]


def test_several_processes_write_one_journal(path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom tests.store.test_journal import row, writing\n"
        "with writing(Path(sys.argv[1])) as writer:\n"
        "    for number in range(1000):\n        writer.write(row(number))\n"
    )
    children = [subprocess.Popen([sys.executable, "-c", program, path], cwd=ROOT) for _ in range(4)]
    assert [child.wait() for child in children] == [0] * 4
    assert len(traces(path)) == 4_000


def test_others_cannot_read_it(path: Path) -> None:
    with writing(path) as writer:
        writer.write(row(1))
    (file,) = path.iterdir()
    assert (path.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o750, 0o640)


def test_a_full_file_is_followed_by_another(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_BATCH", 10)
    monkeypatch.setattr(journal, "MOST_OCTETS", 5_000)
    with writing(path) as writer:
        for number in range(500):
            writer.write(row(number))
    assert len(list(path.iterdir())) > 3
    assert traces(path) == list(range(499, -1, -1))


# --- Trouble -------------------------------------------------------------------------------------
def alarms(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.levelname for record in caplog.records if record.levelno >= logging.WARNING]


class FullDisk:
    """`os.write` to files of the journal fails while this is on, after half of the octets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.on = False
        write = os.write

        def broken(fd: int, octets: bytes) -> int:
            if not self.on or threading.current_thread().name != "journal":
                return write(fd, octets)
            if len(octets) > 20:
                return write(fd, octets[: len(octets) // 2])
            raise OSError(errno.ENOSPC, "no space")

        monkeypatch.setattr(os, "write", broken)


def test_in_trouble_entries_wait_and_no_line_is_torn(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(monkeypatch)
    with writing(path) as writer:
        writer.write(row(0))
        until(lambda: traces(path) == [0])
        disk.on = True
        writer.write(row(1))
        until(lambda: alarms(caplog) == ["ERROR"])
        writer.write(row(2))
        disk.on = False
        until(lambda: traces(path) == [2, 1, 0])
    assert alarms(caplog) == ["ERROR", "WARNING"]
    assert b"\n\n" not in b"".join(each.read_bytes() for each in path.iterdir())


def test_too_many_are_dropped_and_counted(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "MOST_WAITING", 10)
    disk = FullDisk(monkeypatch)
    with writing(path) as writer:
        disk.on = True
        for number in range(30):
            writer.write(row(number))
        until(lambda: alarms(caplog) == ["ERROR"])
        disk.on = False
        until(lambda: len(traces(path)) == 10)
        until(lambda: len(alarms(caplog)) == 2)
    assert "20 decisions were not recorded" in caplog.text


def test_a_directory_that_is_missing_is_trouble_and_passes(tmp_path: Path) -> None:
    path = tmp_path / "later" / "journal"
    with writing(path) as writer:
        writer.write(row(1))
        (tmp_path / "later").mkdir()
        until(lambda: traces(path) == [1])


def test_what_cannot_be_written_at_the_end_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with writing(tmp_path / "never" / "journal") as writer:
        writer.write(row(1))
    assert "1 decisions are not recorded" in caplog.text


def test_a_torn_line_is_no_row(path: Path) -> None:
    with writing(path) as writer:
        writer.write(row(1))
    (file,) = path.iterdir()
    file.write_bytes(b"junk\n" + file.read_bytes() + spell(row(2))[:-9])
    assert traces(path) == [1]


# --- Retention -----------------------------------------------------------------------------------
def test_old_files_go(path: Path) -> None:
    with writing(path) as writer:
        writer.write(row(1))
    (old,) = path.iterdir()
    with writing(path, now=NOW + 31 * DAY + 1) as writer:
        writer.write(row(2))
        until(lambda: not old.exists())
    assert traces(path) == [2]


def test_the_oldest_go_when_there_is_too_much(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_TIDY", 0.0)
    monkeypatch.setattr(journal, "_BATCH", 50)
    with writing(path, most=200_000) as writer:
        for number in range(2_000):
            writer.write(row(number, body_json="x" * 1_000))
    kept = traces(path)
    assert kept[0] == 1_999
    assert 50 < len(kept) < 400
    assert sum(each.stat().st_size for each in path.iterdir()) <= 300_000


def test_size_is_kept_also_when_nothing_comes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_TIDY", 0.05)
    with writing(path) as writer:
        writer.write(row(1, body_json="x" * 50_000))
    (old,) = path.iterdir()
    with writing(path, most=10_000):
        until(lambda: not old.exists())


# --- Reading -------------------------------------------------------------------------------------
@pytest.fixture
def reader(path: Path) -> JournalReader:
    alice = "alice@example.org"
    with writing(path) as writer:
        writer.write(row(1, trace="7QK2M8XW4T", people=("s1@example.org", alice)))
        writer.write(row(2, trace="7QK2M8XW4T", queue_id="", people=(alice,)))
        writer.write(row(3, trace="7QK2ZZZZZZ", people=()))
        writer.write(row(4, trace="8000000000", queue_id="4Q1", client="2001:db8::1"))
    return JournalReader(path)


def times(rows: list[JournalRow]) -> list[int]:
    return [int(each.time - NOW) for each in rows]


def test_by_trace(reader: JournalReader) -> None:
    assert times(reader.by_trace("7QK2M8XW4T")) == [1, 2]
    assert times(reader.by_trace("7QK2")) == [1, 2, 3]
    assert times(reader.by_trace("9")) == []
    assert times(reader.by_trace("4Q1")) == []


def test_by_queue_id(reader: JournalReader) -> None:
    assert times(reader.by_queue_id("4Q1")) == [1, 4]
    assert times(reader.by_queue_id("4Q")) == []
    assert times(reader.by_queue_id("")) == []


def test_by_address(reader: JournalReader) -> None:
    assert times(reader.by_address("ALICE@example.org", 10)) == [2, 1]
    assert times(reader.by_address("ALICE@example.org", 1)) == [2]
    assert times(reader.by_address("s1@example.org", 10)) == [1]
    assert times(reader.by_address("1@example.org", 10)) == []
    assert times(reader.by_address("2001:db8::1", 10)) == [4]
    assert times(reader.by_address("", 10)) == []


def test_latest(reader: JournalReader) -> None:
    assert times(reader.latest(3)) == [4, 3, 2]


@pytest.mark.parametrize("text", ["%", "\x1f", "\n", "\U0010ffff", "\0", "\udcff"])
def test_what_is_asked_is_only_a_value(reader: JournalReader, text: str) -> None:
    assert reader.by_trace(text) == reader.by_queue_id(text) == reader.by_address(text, 10) == []


def test_rows_of_several_processes_come_in_the_order_of_time(path: Path) -> None:
    with writing(path, now=NOW + 50) as late, writing(path, now=NOW) as early:
        late.write(row(2))
        early.write(row(1))
        early.write(row(3))
    assert traces(path) == [3, 2, 1]


def test_no_journal_is_said_plainly(path: Path) -> None:
    with pytest.raises(StoreDown, match=r"no journal at .*journal"):
        JournalReader(path)
