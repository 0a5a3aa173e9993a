"""Listening sockets and the key that both doors share."""

import multiprocessing
import os
import socket
import stat
from pathlib import Path

import pytest

from postward.daemon.start import CannotStart, bind, findings_key, inode, unlink
from postward.daemon.units import Listen


def test_a_unix_socket_gets_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "s"
    (listener,) = bind([Listen(path=str(path))], 0o640)
    with listener:
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        assert not listener.getblocking()


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    (listener,) = bind([Listen(path=path)], 0o660)
    with listener, socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def test_a_socket_that_is_in_use_is_left_alone(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    (listener,) = bind([Listen(path=path)], 0o660)
    with listener, pytest.raises(CannotStart, match="another process answers there"):
        bind([Listen(path=path)], 0o660)


def test_a_file_is_never_removed(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("precious")
    with pytest.raises(CannotStart, match="a file that is no socket"):
        bind([Listen(path=str(path))], 0o660)
    assert path.read_text() == "precious"


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=f"there is no directory {tmp_path}/no; make it: install -d"):
        bind([Listen(path=f"{tmp_path}/no/s")], 0o660)


def test_tcp_has_no_delay_and_a_taken_port_is_said() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (listener,) = bind([Listen(host="127.0.0.1", port=port)], 0o660)
    with listener:
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        with pytest.raises(CannotStart, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
            bind([Listen(host="127.0.0.1", port=port)], 0o660)


def test_when_one_cannot_be_bound_the_others_are_closed(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with pytest.raises(CannotStart):
        bind([Listen(path=str(path)), Listen(path=f"{tmp_path}/no/s")], 0o660)
    (listener,) = bind([Listen(path=str(path))], 0o660)  # nobody answers there any more
    listener.close()


def test_our_socket_is_removed_but_not_a_successors(tmp_path: Path) -> None:
    path = tmp_path / "s"
    (first,) = bind([Listen(path=str(path))], 0o660)
    inodes = [inode(first)]
    path.unlink()
    (second,) = bind([Listen(path=str(path))], 0o660)
    with first, second:
        later = [inode(second)]
        if later != inodes:  # a file system may give the number again
            unlink([first], inodes)
            assert path.exists()
        unlink([second], later)
        assert not path.exists()


def test_the_key_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "findings.key"
    key = findings_key(path)
    assert len(key) == 32
    assert findings_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o640 & ~_umask()
    assert [each.name for each in tmp_path.iterdir()] == ["findings.key"]


def test_daemons_that_start_together_share_the_key(tmp_path: Path) -> None:
    path = tmp_path / "findings.key"
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        keys = set(pool.map(findings_key, [path] * 16))
    assert len(keys) == 1


def test_a_key_that_everybody_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "findings.key"
    findings_key(path)
    path.chmod(0o644)
    with pytest.raises(CannotStart, match="can be read by everybody"):
        findings_key(path)


def test_a_key_that_its_group_can_change_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "findings.key"
    findings_key(path)
    path.chmod(0o660)
    with pytest.raises(CannotStart, match="can be changed by its group"):
        findings_key(path)


def test_a_pipe_is_no_key_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "findings.key", 0o600)
    with pytest.raises(CannotStart, match="is no file"):
        findings_key(tmp_path / "findings.key")


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "findings.key"
    path.write_bytes(b"short")
    path.chmod(0o600)
    with pytest.raises(CannotStart, match="holds 5 octets, not 32"):
        findings_key(path)


def test_a_key_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=f"install -d -o \\S+ -g \\S+ -m 0750 {tmp_path}/no"):
        findings_key(tmp_path / "no" / "findings.key")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
