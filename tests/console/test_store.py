"""The store as commands ask it: what can be wrong is told in one line, and no log line comes between."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from postward.console.options import Trouble
from postward.console.store import on_store, settings_in
from postward.state import Store
from tests.console.site import make, postward
from tests.console.test_rating import note

NOBODY = 65534


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory that every user may look into."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        note(Path(made))
        yield Path(made)


@contextmanager
def without_rights(*paths: Path) -> Iterator[None]:
    """As a user who may not open `paths`."""
    before, modes = os.geteuid(), {path: path.stat().st_mode & 0o7777 for path in paths}
    for path in paths:
        path.chmod(modes[path] & 0o750 if before == 0 else 0)
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)
        for path, mode in modes.items():
            path.chmod(mode)


async def nothing(store: Store) -> None:
    return None


def _told(home: Path, *paths: Path) -> Trouble:
    settings = settings_in(make(home))
    with without_rights(*paths), pytest.raises(Trouble) as caught:
        on_store(settings, "ratings", nothing)
    return caught.value


def test_a_file_of_another_user(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    told = _told(home, home / "state.db")
    assert told.message == f"cannot open {home}/state.db (permission denied)"
    assert told.hint.startswith("run it as root")
    assert capfd.readouterr() == ("", "")


def test_a_directory_of_another_user(home: Path) -> None:
    assert "(permission denied)" in _told(home, home).message


def test_a_directory_where_nothing_can_be_written(home: Path) -> None:
    (home / "state.db").chmod(0o666)
    settings = settings_in(make(home))
    before = os.geteuid()
    home.chmod(0o555)
    if before == 0:
        os.seteuid(NOBODY)
    try:
        with pytest.raises(Trouble, match="permission denied"):
            on_store(settings, "ratings", nothing)
    finally:
        os.seteuid(before)
        home.chmod(0o755)


def test_no_log_line_comes_between(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (home / "state.db").unlink()
    (home / "state.db").mkdir()
    result = postward("rating", "show", "--config", str(make(home)))
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [f"postward: cannot open {home}/state.db (is a directory)"]
    assert capfd.readouterr() == ("", "")


def test_a_file_that_was_moved_aside_is_said(home: Path) -> None:
    for part in home.glob("state.db-*"):
        part.unlink()
    (home / "state.db").write_bytes(b"no database" * 1000)
    result = postward("rating", "show", "--config", str(make(home)))
    assert result.exit_code == 0
    assert "state.db is corrupt" in result.stderr
    assert "a new one begins empty" in result.stderr


def test_a_limit_of_none_is_refused(home: Path) -> None:
    for limit in ("0", "-1"):
        result = postward("holds", "list", "--limit", limit, "--config", str(make(home)))
        assert result.exit_code == 2


@pytest.mark.parametrize("lasts", ["99999999999999d", "36501d"])
def test_a_time_that_is_too_long_is_refused(home: Path, lasts: str) -> None:
    result = postward("holds", "deny", "new.example", "--for", lasts, "--config", str(make(home)))
    assert result.exit_code == 2
    assert "too long; at most" in result.stderr
