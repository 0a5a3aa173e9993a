"""The load generator for SMTP counts right and sends what it should."""

import json
import shutil
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from lab.bench.programs import Programs
from lab.bench.traffic import MARK

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    return Programs(tmp_path_factory.mktemp("programs"))


class Server(socketserver.ThreadingTCPServer):
    """A small SMTP server that refuses senders named `bad` at MAIL and contents with `refuse` in them."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.lines: list[str] = []
        self.mails: list[str] = []
        self.sessions = 0


class Session(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        self.server.sessions += 1
        self.say("220 hello")
        mail = False
        for octets in self.rfile:
            line = octets.decode().rstrip("\r\n")
            self.server.lines.append(line)
            match line.split(":")[0].split(" ")[0]:
                case "EHLO":
                    self.say("250-me\r\n250 PIPELINING")
                case "XCLIENT":
                    self.say("220 again")
                case "MAIL":
                    mail = "bad" not in line
                    self.say("250 ok" if mail else "553 no")
                case "RCPT":
                    self.say("250 ok" if mail else "503 no sender")
                case "DATA" if not mail:
                    self.say("503 no sender")
                case "DATA":
                    self.say("354 go on")
                    self.say(self.content())
                case "QUIT":
                    self.say("221 bye")
                    return
                case _:
                    self.say("250 ok")

    def content(self) -> str:
        lines = []
        while (line := self.rfile.readline().decode()) != ".\r\n":
            lines.append(line)
        self.server.mails.append("".join(lines))
        return "550 no" if any("refuse" in line for line in lines) else "250 queued"

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield running
        finally:
            running.shutdown()
            thread.join()


def load(programs: Programs, tmp_path: Path, to: Server, jobs: list[str], *options: str) -> dict[str, Any]:
    (tmp_path / "jobs").write_text("\n".join(jobs) + "\n")
    command = [programs.smtpload(), "--address", f"inet:127.0.0.1:{to.server_address[1]}"]
    command += ["--jobs", tmp_path / "jobs", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def job(tmp_path: Path, message: str = "Subject: x\n\nHello\n", sender: str = "a@example.org") -> str:
    path = tmp_path / f"{abs(hash(message))}.eml"
    path.write_text(message)
    return "\t".join(
        ("192.0.2.7", "mail.example.org", "helo.example.org", sender, "b@example.net", str(path))
    )


@pytest.mark.parametrize("how", [(), ("--no-pipelining",)])
def test_all_mails_are_counted(programs: Programs, tmp_path: Path, how: tuple[str, ...]) -> None:
    with server() as to:
        report = load(programs, tmp_path, to, [job(tmp_path)], "--messages", "30", "--sessions", "4", *how)
    assert report["kinds"] == {"250": 30}
    assert len(to.mails) == 30
    assert report["trouble"] == 0


@pytest.mark.parametrize("how", [(), ("--no-pipelining",)])
def test_refusals_are_counted_by_code(programs: Programs, tmp_path: Path, how: tuple[str, ...]) -> None:
    jobs = [job(tmp_path), job(tmp_path, "please refuse\n"), job(tmp_path, sender="bad@example.org")]
    with server() as to:
        report = load(programs, tmp_path, to, jobs, "--messages", "30", "--sessions", "3", *how)
    assert report["kinds"] == {"250": 10, "550": 10, "553": 10}


def test_a_session_sends_so_many_mails(programs: Programs, tmp_path: Path) -> None:
    options = ("--messages", "20", "--sessions", "1", "--per-session", "5")
    with server() as to:
        load(programs, tmp_path, to, [job(tmp_path)], *options)
    assert to.lines.count("QUIT") == to.sessions == 4


def test_dots_are_doubled_and_line_ends_are_crlf(programs: Programs, tmp_path: Path) -> None:
    with server() as to:
        load(programs, tmp_path, to, [job(tmp_path, ".\n..a\r\nb.\nno end")], "--messages", "1")
    assert to.mails == ["..\r\n...a\r\nb.\r\nno end\r\n"]


def test_sender_and_message_are_unique(programs: Programs, tmp_path: Path) -> None:
    jobs = [job(tmp_path, f"Message-ID: <{MARK}@x>\n\n", f"{MARK}@example.org")]
    with server() as to:
        load(programs, tmp_path, to, jobs, "--messages", "12", "--first", "9")
    assert {mail.splitlines()[0] for mail in to.mails} == {f"Message-ID: <{n:012x}@x>" for n in range(9, 21)}
    assert {line for line in to.lines if line.startswith("MAIL")} == {
        f"MAIL FROM:<{n:012x}@example.org>" for n in range(9, 21)
    }


def test_xclient_plays_the_client(programs: Programs, tmp_path: Path) -> None:
    with server() as to:
        load(programs, tmp_path, to, [job(tmp_path)], "--messages", "1", "--sessions", "1", "--xclient")
    assert to.lines[:2] == ["XCLIENT ADDR=192.0.2.7 NAME=mail.example.org", "EHLO helo.example.org"]
