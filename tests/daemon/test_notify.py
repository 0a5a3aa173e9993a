"""What systemd is told, over a real datagram socket."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from postward.daemon.notify import Notifier


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        yield listener


@pytest.fixture
def notifier(systemd: socket.socket) -> Notifier:
    return Notifier({"NOTIFY_SOCKET": systemd.getsockname()})


def test_ready_comes_with_a_status(systemd: socket.socket, notifier: Notifier) -> None:
    notifier.ready("12 rules")
    assert systemd.recv(4096) == b"READY=1\nSTATUS=12 rules"


def test_reloading_tells_the_monotonic_time(systemd: socket.socket, notifier: Notifier) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier.reloading()
    first, second = systemd.recv(4096).split(b"\n")
    assert first == b"RELOADING=1"
    name, _, number = second.partition(b"=")
    assert name == b"MONOTONIC_USEC"
    assert before <= int(number) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def test_stopping_status_and_watchdog(systemd: socket.socket, notifier: Notifier) -> None:
    notifier.stopping()
    notifier.status("busy")
    notifier.alive()
    assert [systemd.recv(99) for _ in range(3)] == [b"STOPPING=1", b"STATUS=busy", b"WATCHDOG=1"]


def test_an_abstract_socket_is_found() -> None:
    name = f"postward-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(b"\0" + name.encode())
        listener.settimeout(5)
        Notifier({"NOTIFY_SOCKET": "@" + name}).alive()
        assert listener.recv(99) == b"WATCHDOG=1"


def test_without_systemd_nothing_happens() -> None:
    Notifier({}).ready("alone")


def test_a_socket_that_is_gone_is_no_trouble(tmp_path: Path) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("alone")


def test_the_watchdog_is_fed_twice_as_often_as_systemd_asks() -> None:
    assert Notifier({"WATCHDOG_USEC": "30000000"}).watchdog == 15.0
    assert Notifier({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}).watchdog == 15.0


@pytest.mark.parametrize(
    "environ", [{}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}]
)
def test_nobody_watches(environ: dict[str, str]) -> None:
    assert Notifier(environ).watchdog == 0.0
