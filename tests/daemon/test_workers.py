"""Pre-forked workers, with real processes: kill, stop, reload."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("workers_program.py")


class Daemon:
    """The test program as a child."""

    def __init__(self, home: Path, count: int, drain: float, behaviour: str) -> None:
        self.path = str(home / "s")
        self.rules = Path(self.path + ".rules")
        self.rules.write_text("first")
        command = [sys.executable, str(PROGRAM), self.path, str(count), str(drain), behaviour]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def line(self) -> list[str]:
        assert self.process.stdout is not None
        return self.process.stdout.readline().split()

    def settled(self) -> list[int]:
        """Wait until all workers serve; their process ids."""
        word, *pids, _ = self.line()
        assert word == "settled"
        return [int(pid) for pid in pids]

    def ask(self) -> list[str]:
        """Which worker answers, by which rules; empty when it was cut off."""
        return self.ask_slowly(0.0)()

    def ask_slowly(self, seconds: float) -> Callable[[], list[str]]:
        """The same of a worker that has begun by now and takes so long; gives the waiting for its answer."""
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(20)
        client.connect(self.path)
        client.sendall(f"{seconds}\n".encode())
        begun = client.recv(100)

        def result() -> list[str]:
            with client, client.makefile("rb") as rest:
                return (begun + rest.read()).decode().split()

        return result

    def until_reloaded(self, digest: str) -> None:
        while self.line()[-1] != digest:
            pass


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    running: list[Daemon] = []

    def starter(count: int = 2, drain: float = 10, behaviour: str = "") -> Daemon:
        running.append(Daemon(tmp_path, count, drain, behaviour))
        return running[-1]

    yield starter
    for daemon in running:
        if daemon.process.poll() is None:
            daemon.process.terminate()
        assert daemon.process.stdout is not None
        daemon.process.stdout.close()
        daemon.process.wait(20)


def gone(pid: int) -> bool:
    """Whether it has ended; the first process of a container may not reap it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(") ")[2].startswith("Z")


def until(condition: Callable[[], bool], within: float = 10.0) -> None:
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.01)


def test_all_workers_serve_one_socket(start: Callable[..., Daemon]) -> None:
    daemon = start(3)
    pids = daemon.settled()
    assert len(set(pids)) == 3
    assert int(daemon.ask()[0]) in pids


def test_a_killed_worker_is_back_within_two_seconds(start: Callable[..., Daemon]) -> None:
    daemon = start(2)
    first, second = daemon.settled()
    began = time.monotonic()
    os.kill(first, signal.SIGKILL)
    pids = daemon.settled()
    assert time.monotonic() - began < 2.0
    assert second in pids
    assert first not in pids


def test_the_others_serve_while_one_is_gone(start: Callable[..., Daemon]) -> None:
    daemon = start(2)
    first, _ = daemon.settled()
    os.kill(first, signal.SIGKILL)
    assert daemon.ask()[0] != str(first)


def test_term_lets_what_is_under_way_finish(start: Callable[..., Daemon]) -> None:
    daemon = start(2)
    pids = daemon.settled()
    answers = [daemon.ask_slowly(0.5) for _ in range(10)]
    daemon.process.terminate()
    words = [answer() for answer in answers]
    assert all(int(pid) in pids and rules == "first" for pid, rules in words)
    assert daemon.process.wait(10) == 0
    assert all(gone(pid) for pid in pids)


def test_a_worker_that_does_not_finish_is_killed(start: Callable[..., Daemon]) -> None:
    daemon = start(1, -2.5, "stubborn")
    (pid,) = daemon.settled()
    daemon.process.terminate()
    assert daemon.process.wait(10) == 1
    assert gone(pid)


def test_good_rules_reach_every_worker(start: Callable[..., Daemon]) -> None:
    daemon = start(2)
    pids = daemon.settled()
    daemon.rules.write_text("second")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.until_reloaded("second")
    pid, rules = daemon.ask()
    assert rules == "second"
    assert int(pid) in pids


def test_bad_rules_reach_nobody(start: Callable[..., Daemon]) -> None:
    daemon = start(2)
    daemon.settled()
    daemon.rules.write_text("bad")
    daemon.process.send_signal(signal.SIGHUP)
    assert daemon.line() == ["refused"]
    assert daemon.ask()[1] == "first"


def test_a_successor_has_the_reloaded_rules(start: Callable[..., Daemon]) -> None:
    daemon = start(1)
    (pid,) = daemon.settled()
    daemon.rules.write_text("second")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.until_reloaded("second")
    daemon.rules.write_text("bad")
    os.kill(pid, signal.SIGKILL)
    daemon.settled()
    assert daemon.ask()[1] == "second"


def test_workers_end_when_the_parent_is_killed(start: Callable[..., Daemon]) -> None:
    daemon = start(2)
    pids = daemon.settled()
    daemon.process.kill()
    until(lambda: all(gone(pid) for pid in pids))


def test_workers_that_die_at_once_stop_the_start(start: Callable[..., Daemon]) -> None:
    daemon = start(1, 10, "die")
    assert daemon.process.wait(20) == 3
    assert daemon.line()[:2] == ["cannot", "start:"]
