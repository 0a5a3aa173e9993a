"""The state file of a running daemon."""

import json
import os
from pathlib import Path

import pytest

from postward.daemon import state


def test_what_is_written_is_read(tmp_path: Path) -> None:
    mine = state.here("policyd", "abc")
    state.write(tmp_path, mine)
    assert state.read(tmp_path, "policyd") == mine
    assert [path.name for path in tmp_path.iterdir()] == ["policyd.json"]


def test_this_process_is_alive() -> None:
    assert state.here("policyd", "abc").alive


def test_a_process_that_took_over_the_number_is_not_it() -> None:
    other = state.RunState("policyd", os.getpid(), 1, 0.0, "abc")
    assert not other.alive


def test_a_process_that_is_gone_is_not_alive() -> None:
    assert not state.RunState("policyd", 2**22 + 1, 5, 0.0, "abc").alive


def test_reloads_are_counted_and_the_last_error_is_kept() -> None:
    refused = state.here("milter", "old").refused("rules.d/x.yml:1:1: wrong")
    assert (refused.digest, refused.reloads, refused.error) == ("old", 1, "rules.d/x.yml:1:1: wrong")
    good = refused.reloaded("new")
    assert (good.digest, good.reloads, good.error) == ("new", 2, "")


def test_nothing_readable_is_none(tmp_path: Path) -> None:
    assert state.read(tmp_path, "policyd") is None
    for text in ("", "{", "[]", '{"door": "x"}'):
        (tmp_path / "policyd.json").write_text(text)
        assert state.read(tmp_path, "policyd") is None


@pytest.mark.parametrize("pid", ["1", -1, 0, True, "../../tmp/x", None])
def test_a_process_that_is_no_number_is_none(tmp_path: Path, pid: object) -> None:
    values = {"door": "policyd", "pid": pid, "born": 1, "started": 0.0, "digest": ""}
    (tmp_path / "policyd.json").write_text(json.dumps(values))
    assert state.read(tmp_path, "policyd") is None


def test_a_later_daemon_keeps_its_file(tmp_path: Path) -> None:
    mine = state.here("policyd", "abc")
    state.write(tmp_path, state.RunState("policyd", 1, 1, 0.0, "other"))
    state.remove(tmp_path, mine)
    assert state.read(tmp_path, "policyd") is not None


def test_it_is_removed_at_the_end(tmp_path: Path) -> None:
    mine = state.here("policyd", "abc")
    state.write(tmp_path, mine)
    state.remove(tmp_path, mine)
    assert list(tmp_path.iterdir()) == []
