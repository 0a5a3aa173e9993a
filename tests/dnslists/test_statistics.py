"""The file of numbers."""

import logging
import stat
from pathlib import Path

import pytest

from postward.dnslists.statistics import MAX_OCTETS, Counts, State, Step, load, save

STATE = State(True, "", 5.0, 6.5, False, (Step("2.0.0.127.x", "127.0.0.2", True),), Counts(queries=9, hits=3))


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    save(tmp_path / "f", {"a": STATE, "b": State()})
    assert load(tmp_path / "f") == {"a": STATE, "b": State()}
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) & 0o027 == 0
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_no_file_is_no_numbers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert load(tmp_path / "f") == {}
    assert caplog.records == []


@pytest.mark.parametrize(
    "octets",
    [b"", b"{", b"[]", b"null", b'{"lists": []}', b'{"lists": {"a": 1}}', b'{"lists": {"a": {}}}',
     b"\xff\xfe", b"[" * 100_000, b" " * (MAX_OCTETS + 1)],
)  # fmt: skip
def test_a_damaged_file_is_no_numbers(
    tmp_path: Path, octets: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "f").write_bytes(octets)
    with caplog.at_level(logging.WARNING):
        assert load(tmp_path / "f") == {}
    assert "begin anew" in caplog.text or "no numbers are known" in caplog.text


def test_a_file_that_cannot_be_replaced_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "f" / "x").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        save(tmp_path / "f", {"a": STATE})
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
