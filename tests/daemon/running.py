"""Real daemons for tests: started from a configuration directory, asked over their sockets, stopped."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from milters.client import MilterClient
from milters.events import Connect, Helo, MailFrom, RcptTo, macros
from postward.daemon import state
from postward.daemon.state import RunState

COMMAND = [sys.executable, "-c", "from postward.console.main import main; main()"]


def until(true: Callable[[], object], what: str, within: float = 20.0) -> None:
    """Poll until `true()`."""
    end = time.monotonic() + within
    while not true():
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(0.01)


class Running:
    """The daemon of `door` below `home`, as `tests.console.site.make` configured it."""

    def __init__(self, door: str, home: Path) -> None:
        self.door = door
        self.home = home
        self.socket_path = str(home / door)
        self.log_path = home / f"{door}.log"

    def __enter__(self) -> Self:
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*COMMAND, self.door, "--config", str(self.home / "etc")], stdout=log, stderr=log
            )
        until(lambda: self.state is not None or self.process.poll() is not None, "the daemon serves")
        assert self.process.poll() is None, self.log
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(60)

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    @property
    def state(self) -> RunState | None:
        return state.read(self.home / "run", self.door)

    def reload(self) -> RunState:
        """SIGHUP; the state after the attempt."""
        before = self.state
        assert before is not None
        self.process.send_signal(signal.SIGHUP)
        until(lambda: (now := self.state) is not None and now.reloads > before.reloads, "the reload is over")
        after = self.state
        assert after is not None
        return after

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.process.terminate()
        return self.process.wait(60)

    def workers(self) -> list[int]:
        """The process ids of the workers."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(each) for each in children.split()]


class Smtpd:
    """One connection to policyd, as an smtpd process keeps it."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(20)
        self._socket.connect(path)
        self._number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, **changes: str) -> str:
        """The action for one RCPT, each of a message of its own."""
        self._number += 1
        attributes = {
            "request": "smtpd_access_policy",
            "protocol_state": "RCPT",
            "protocol_name": "ESMTP",
            "client_address": "192.0.2.1",
            "client_name": "unknown",
            "reverse_client_name": "unknown",
            "helo_name": "mx.example.net",
            "sender": "a@example.net",
            "recipient": "b@example.org",
            "instance": f"{os.getpid()}.{id(self)}.{self._number}",
        }
        attributes |= changes
        lines = [f"{name}={value}\n" for name, value in attributes.items()]
        self._socket.sendall("".join(lines).encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n\n"):
            octets = self._socket.recv(4096)
            assert octets, "the daemon closed the connection"
            answer += octets
        return answer.decode().removeprefix("action=").strip()


def milter_session(path: str, client: str = "192.0.2.1") -> MilterClient:
    """A session that has come as far as one accepted recipient."""
    session = MilterClient.connect(path)
    session.negotiate()
    session.send(macros("C", [("daemon_name", "smtpd"), ("client_name", "unknown")]))
    session.ask(Connect(b"unknown", "4", 4711, client.encode()))
    session.ask(Helo(b"mx.example.net"))
    session.ask(MailFrom(b"<a@example.net>"))
    session.ask(RcptTo(b"<b@example.org>"))
    return session
