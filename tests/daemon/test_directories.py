"""Directories of our own are made or named; sockets that Postfix cannot open are told of."""

import logging
import os
import pwd
import socket
from pathlib import Path

import pytest

from postward.daemon import directories
from postward.daemon.config import Settings, StoreSection
from postward.daemon.directories import closed_to, make_missing, warn_of_closed_doors
from postward.daemon.start import CannotStart
from postward.daemon.units import Listen

ME = pwd.getpwuid(os.geteuid()).pw_name


def _settings(state: Path) -> Settings:
    return Settings(
        findings_key=state / "findings.key", store=StoreSection(path=state / "state.db"), journal=None
    )


def test_a_missing_directory_is_made_for_us_alone(tmp_path: Path) -> None:
    make_missing(_settings(tmp_path / "state"))
    assert (tmp_path / "state").stat().st_mode & 0o027 == 0


def test_what_cannot_be_made_is_named_with_the_command(tmp_path: Path) -> None:
    wanted = tmp_path / "no" / "state"
    with pytest.raises(CannotStart, match=f"findings_key: cannot make .*: install -d -o {ME} .* {wanted}$"):
        make_missing(_settings(wanted))


def test_a_file_in_its_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("precious")
    with pytest.raises(CannotStart, match="File exists"):
        make_missing(_settings(tmp_path / "state"))
    assert (tmp_path / "state").read_text() == "precious"


def _other_user() -> str:
    """A user who is neither root nor us."""
    return next(each.pw_name for each in pwd.getpwall() if each.pw_uid not in (0, os.geteuid()))


@pytest.fixture
def path(tmp_path: Path) -> str:
    for step in (tmp_path, *tmp_path.parents):
        if step.stat().st_uid == os.geteuid() and step != Path("/") and not step.stat().st_mode & 1:
            step.chmod(0o755)
    path = tmp_path / "sockets" / "policyd"
    path.parent.mkdir(mode=0o755)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    path.chmod(0o666)
    return str(path)


def test_an_open_way_is_open(path: str) -> None:
    assert closed_to(_other_user(), path) == ""


def test_a_closed_directory_on_the_way_is_found(path: str) -> None:
    Path(path).parent.chmod(0o700)
    assert closed_to(_other_user(), path) == str(Path(path).parent)


def test_a_socket_of_a_foreign_group_is_closed(path: str) -> None:
    Path(path).chmod(0o660)
    assert closed_to(_other_user(), path) == path


def test_the_owner_needs_no_more_than_his_own_bits(path: str) -> None:
    Path(path).chmod(0o600)
    assert closed_to(ME, path) == ""


def test_without_a_postfix_there_is_nothing_to_say(path: str) -> None:
    Path(path).chmod(0o600)
    assert closed_to("nobody-of-that-name", path) == ""


def test_the_log_says_what_to_do(
    path: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Path(path).chmod(0o660)
    monkeypatch.setattr(directories, "_MAIL_OWNER", _other_user())
    with caplog.at_level(logging.WARNING):
        warn_of_closed_doors([Listen(path=path), Listen(host="127.0.0.1", port=10040)])
    (record,) = caplog.records
    assert f"Postfix will not reach unix:{path}: user {_other_user()} may not open {path}" in record.message
