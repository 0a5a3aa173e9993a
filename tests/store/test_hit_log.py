"""The log of bookings: whole lines, two files, and what it does in trouble."""

import errno
import os
from pathlib import Path

import pytest

from postward.state import StoreDown
from postward.store import hit_log
from postward.store.hit_log import Hit, HitLog, Place

START = Place(0, 0)


def read(log: HitLog, place: Place = START) -> tuple[list[Hit], Place]:
    blocks = list(log.hits_after(place))
    return [hit for hits, _ in blocks for hit in hits], blocks[-1][1] if blocks else place


def write(log: HitLog, *instances: str) -> None:
    for each in instances:
        log.write(600, 2, "60,3600", each, "key")


def instances(hits: list[Hit]) -> list[str]:
    return [instance for _, _, _, instance, _ in hits]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def test_what_is_written_is_read(path: Path) -> None:
    log = HitLog(path)
    log.write(600, 2, "60,3600", "an instance", "a key")
    assert read(log)[0] == [(600, 2, (60, 3600), "an instance", "a key")]
    log.close()


def test_only_what_is_new_is_read_from_a_place(path: Path) -> None:
    log = HitLog(path)
    write(log, "a", "b")
    _, place = read(log)
    write(log, "c")
    hits, after = read(log, place)
    assert instances(hits) == ["c"]
    assert read(log, after) == ([], after)
    log.close()


def test_nothing_behind_an_end_is_read(path: Path) -> None:
    log = HitLog(path)
    assert log.place is None
    write(log, "a")
    between = log.place
    write(log, "b", "c")
    assert [instances(hits) for hits, _ in log.hits_after(START, between)] == [["a"]]
    assert [place for _, place in log.hits_after(START, between)] == [between]
    assert read(log)[1] == log.place
    log.close()


def test_a_file_goes_on_after_a_restart(path: Path) -> None:
    for each in "abc":
        log = HitLog(path)
        write(log, each)
        log.close()
    assert instances(read(HitLog(path))[0]) == ["a", "b", "c"]


def test_half_a_line_was_never_answered(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = HitLog(path)
    write(log, "a")
    log.close()
    with Path(f"{path}-hits").open("ab") as file:
        file.write(b"600\t2\t60\thalf")
    log = HitLog(path)
    assert instances(read(log)[0]) == ["a"]
    write(log, "b")
    assert instances(read(log)[0]) == ["a", "b"]
    log.close()
    assert "1 damaged" in caplog.text


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\0" * 40,
        b"a\t2\t60\ti\tk",
        b"600\t-2\t60\ti\tk",
        b"600\t2\t0\ti\tk",
        b"600\t2\t\ti\tk",
        b"\xff\t\t\t\t",
        b"600\t2\t60\ti",
        b"9" * 5_000 + b"\t2\t60\ti\tk",
        b"600\t99999999999999\t60\ti\tk",
    ],
)
def test_a_damaged_line_is_skipped(path: Path, line: bytes) -> None:
    log = HitLog(path)
    write(log, "a")
    with Path(f"{path}-hits").open("ab") as file:
        file.write(line + b"\n")
    write(log, "b")
    assert instances(read(log)[0]) == ["a", "b"]
    log.close()


def test_a_full_file_is_followed_by_the_next(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hit_log, "_TURN_AT", 500)
    log = HitLog(path)
    expected = []
    for number in range(60):
        write(log, str(number))
        expected.append(str(number))
        hits, place = read(log, log._folded)
        assert instances(hits) == [str(number)]
        log.folded(place)
    log.close()
    assert Path(f"{path}-hits.old").stat().st_size < 600
    assert place.serial == 3


def test_what_is_not_folded_is_never_thrown_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hit_log, "_TURN_AT", 500)
    log = HitLog(path)
    write(log, *map(str, range(60)))
    assert instances(read(log)[0]) == [str(each) for each in range(60)]
    log.close()


def test_both_files_are_read_in_order(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = HitLog(path)
    write(log, "a")
    _, place = read(log)
    log.folded(place)
    write(log, "b")
    monkeypatch.setattr(hit_log, "_TURN_AT", 1)
    write(log, "c")
    assert instances(read(log)[0]) == ["a", "b", "c"]
    assert instances(read(log, place)[0]) == ["b", "c"]
    log.close()


def test_too_much_that_nobody_folds_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hit_log, "_TURN_AT", 100)
    monkeypatch.setattr(hit_log, "_MOST", 300)
    log = HitLog(path)
    with pytest.raises(StoreDown, match="full"):
        write(log, *map(str, range(60)))
    log.close()


def test_a_file_that_is_gone_begins_anew_with_a_later_serial(path: Path) -> None:
    log = HitLog(path)
    write(log, "a")
    _, place = read(log)
    log.folded(place)
    Path(f"{path}-hits").unlink()
    log.check()
    write(log, "b")
    hits, after = read(log, place)
    assert instances(hits) == ["b"]
    assert after.serial > place.serial
    log.close()


def test_a_file_shorter_than_what_was_folded_of_it_begins_anew(path: Path) -> None:
    log = HitLog(path)
    write(log, "a", "b", "c")
    _, place = read(log)
    log.close()
    os.truncate(f"{path}-hits", 40)
    log = HitLog(path)
    log.folded(place)
    write(log, "d")
    assert instances(read(log, place)[0]) == ["d"]
    log.close()


def test_an_old_file_is_followed_by_the_next(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hit_log, "_TURN_AFTER", -1.0)
    log = HitLog(path)
    write(log, "a")
    log.folded(read(log)[1])
    log.check()
    write(log, "b")
    assert instances(read(log)[0]) == ["a", "b"]
    assert Path(f"{path}-hits.old").exists()
    log.close()


def test_a_disk_that_takes_half_a_line_leaves_none(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = HitLog(path)
    write(log, "a")
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, line: real(handle, line[:5]))
    with pytest.raises(StoreDown, match="only 5 of"):
        write(log, "b")
    monkeypatch.undo()
    write(log, "c")
    assert instances(read(log)[0]) == ["a", "c"]
    log.close()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
def test_trouble_is_told_once_and_passes(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    def fail(handle: int, line: bytes) -> int:
        raise OSError(number, os.strerror(number))

    log = HitLog(path)
    write(log, "a")
    monkeypatch.setattr(os, "write", fail)
    for _ in range(3):
        with pytest.raises(StoreDown, match=os.strerror(number)):
            write(log, "b")
    monkeypatch.undo()
    write(log, "c", "d")
    assert instances(read(log)[0]) == ["a", "c", "d"]
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    log.close()


def test_a_link_in_the_place_of_the_file_is_not_followed(path: Path) -> None:
    Path(f"{path}-hits").symlink_to(path.parent / "elsewhere")
    with pytest.raises(StoreDown):
        write(HitLog(path), "a")
    assert not (path.parent / "elsewhere").exists()
