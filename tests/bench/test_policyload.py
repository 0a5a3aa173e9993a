"""The load generator for policy services counts right."""

import json
import shutil
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from lab.bench.programs import Programs
from lab.bench.traffic import MARK, policy_requests

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    return Programs(tmp_path_factory.mktemp("programs"))


class Service(socketserver.ThreadingUnixStreamServer):
    """Answers with the next of `answers`, the last one for ever; keeps the requests."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path: str, answers: list[bytes]) -> None:
        super().__init__(path, Connection)
        self.answers = answers
        self.asked: list[str] = []
        self.by_connection: dict[int, list[str]] = {}

    def hold_back(self) -> None:
        """Wait before an answer."""


class Connection(socketserver.StreamRequestHandler):
    server: Service

    def handle(self) -> None:
        lines: list[bytes] = []
        for line in self.rfile:
            if line != b"\n":
                lines.append(line)
                continue
            self.server.asked.append(b"".join(lines).decode())
            self.server.by_connection.setdefault(id(self), []).append(self.server.asked[-1])
            lines.clear()
            self.server.hold_back()
            answer = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
            if not answer:
                return
            self.wfile.write(answer)


@contextmanager
def service(tmp_path: Path, *answers: bytes) -> Iterator[Service]:
    with serving(Service(str(tmp_path / "s"), list(answers))) as server:
        yield server


@contextmanager
def serving(server: Service) -> Iterator[Service]:
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def output(programs: Programs, tmp_path: Path, requests: str, *options: str) -> list[str]:
    (tmp_path / "requests").write_text(requests)
    command = [str(programs.policyload()), "--address", f"unix:{tmp_path / 's'}"]
    command += ["--file", str(tmp_path / "requests")]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=30)
    return done.stdout.splitlines()


def load(programs: Programs, tmp_path: Path, requests: str, *options: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(output(programs, tmp_path, requests, *options)[-1])
    return report


ONE = f"sender={MARK}@example.org\ninstance=a.{MARK}\n\n"


def test_all_requests_are_counted_by_answer(programs: Programs, tmp_path: Path) -> None:
    answers = [b"action=450 4.7.1 later\n\n"] * 3 + [b"action=DUNNO\n\n"]
    with service(tmp_path, *answers):
        report = load(programs, tmp_path, ONE, "--requests", "50", "--connections", "4")
    assert report["done"] == 50
    assert report["kinds"] == {"450": 3, "DUNNO": 47}
    assert report["trouble"] == 0


def test_each_request_has_its_own_number(programs: Programs, tmp_path: Path) -> None:
    with service(tmp_path, b"action=DUNNO\n\n") as server:
        load(programs, tmp_path, ONE, "--requests", "20", "--connections", "3", "--first", "250")
    wanted = {f"sender={n:012x}@example.org\ninstance=a.{n:012x}\n" for n in range(250, 270)}
    assert set(server.asked) == wanted


def test_each_request_has_its_own_network(programs: Programs, tmp_path: Path) -> None:
    with service(tmp_path, b"action=DUNNO\n\n") as server:
        request = "client_address=2a00:@@@@:@@@@:@@@@::7\n\n"
        load(programs, tmp_path, request, "--requests", "2", "--connections", "1", "--first", "74565")
    wanted = ["2a00:0000:0001:2345::7", "2a00:0000:0001:2346::7"]
    assert server.asked == [f"client_address={each}\n" for each in wanted]


def test_requests_are_taken_in_turn(programs: Programs, tmp_path: Path) -> None:
    with service(tmp_path, b"action=DUNNO\n\n") as server:
        load(programs, tmp_path, "a=1\n\na=2\n\na=3\n\n", "--requests", "7", "--connections", "1")
    assert server.asked == ["a=1\n", "a=2\n", "a=3\n", "a=1\n", "a=2\n", "a=3\n", "a=1\n"]


def test_a_closed_connection_is_trouble_not_an_answer(programs: Programs, tmp_path: Path) -> None:
    with service(tmp_path, b"action=DUNNO\n\n", b"", b"action=DUNNO\n\n"):
        report = load(programs, tmp_path, ONE, "--requests", "10", "--connections", "1")
    assert (report["done"], report["trouble"]) == (9, 1)


def test_an_answer_in_pieces_is_one_answer(programs: Programs, tmp_path: Path) -> None:
    with service(tmp_path, b"action=PREPEND X-A: " + b"b" * 3000 + b"\n\n"):
        report = load(programs, tmp_path, ONE, "--requests", "10")
    assert report["kinds"] == {"PREPEND": 10}


def test_with_a_rate_it_does_not_go_faster(programs: Programs, tmp_path: Path) -> None:
    with service(tmp_path, b"action=DUNNO\n\n"):
        report = load(programs, tmp_path, ONE, "--requests", "50", "--rate", "200")
    assert report["done"] == 50
    assert report["seconds"] >= 0.24  # the last is due at 49/200 s


class Stalling(Service):
    """Answers nothing for a while after the 20th request, as a service that syncs its disk."""

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__(path, [b"action=DUNNO\n\n"])
        self.stall = seconds
        self.until = 0.0
        self.lock = threading.Lock()

    def hold_back(self) -> None:
        with self.lock:
            if len(self.asked) == 20:
                self.until = time.monotonic() + self.stall
        while (left := self.until - time.monotonic()) > 0:
            time.sleep(left)


def test_a_stall_counts_for_all_that_were_due_meanwhile(programs: Programs, tmp_path: Path) -> None:
    with serving(Stalling(str(tmp_path / "s"), 0.5)):
        report = load(programs, tmp_path, ONE, "--rate", "200", "--requests", "200", "--connections", "2")
    # 100 of the 200 were due while nothing was answered, though only two could be asked.
    assert report["late"] >= 80
    assert report["p50_ms"] < report["p90_ms"]
    assert 250 <= report["p90_ms"] <= report["p99_ms"] <= report["p999_ms"] <= report["max_ms"] <= 2000


def test_all_that_were_due_are_asked_though_the_time_is_over(programs: Programs, tmp_path: Path) -> None:
    with serving(Stalling(str(tmp_path / "s"), 1.5)):
        report = load(programs, tmp_path, ONE, "--rate", "50", "--seconds", "1", "--connections", "2")
    assert report["done"] == 50
    assert report["unanswered"] == 0
    assert report["max_ms"] >= 1000


def test_what_has_no_answer_is_told(programs: Programs, tmp_path: Path) -> None:
    with service(tmp_path, b"action=DUNNO\n\n", b"", b"action=DUNNO\n\n"):
        report = load(programs, tmp_path, ONE, "--rate", "100", "--requests", "10", "--connections", "1")
    assert (report["done"], report["trouble"], report["unanswered"]) == (9, 1, 1)


def test_an_open_loop_uses_all_connections_in_turn(programs: Programs, tmp_path: Path) -> None:
    with service(tmp_path, b"action=DUNNO\n\n") as server:
        load(programs, tmp_path, ONE, "--rate", "200", "--requests", "40", "--connections", "4")
    assert len(server.by_connection) == 4


SEVERAL = f"rcpt=1 {MARK}\n\n+\nrcpt=2 {MARK}\n\n+\nrcpt=3 {MARK}\n\nrcpt=only {MARK}\n\n"


def test_recipients_of_a_message_are_asked_one_after_the_other(programs: Programs, tmp_path: Path) -> None:
    with service(tmp_path, b"action=DUNNO\n\n") as server:
        report = load(programs, tmp_path, SEVERAL, "--requests", "8", "--connections", "1")
    numbers = [(1, 0), (2, 0), (3, 0), ("only", 3), (1, 4), (2, 4), (3, 4), ("only", 7)]
    assert server.asked == [f"rcpt={which} {number:012x}\n" for which, number in numbers]
    assert report["done"] == 8


def test_recipients_of_a_message_share_a_connection(programs: Programs, tmp_path: Path) -> None:
    with service(tmp_path, b"action=DUNNO\n\n") as server:
        report = load(programs, tmp_path, SEVERAL, "--rate", "200", "--requests", "40", "--connections", "2")
    messages = [{asked.split()[-1] for asked in each} for each in server.by_connection.values()]
    assert len(messages) == 2
    assert messages[0].isdisjoint(messages[1])  # each message is whole
    assert (report["done"], report["unanswered"]) == (40, 0)


def test_it_tells_of_each_second(programs: Programs, tmp_path: Path) -> None:
    with service(tmp_path, b"action=DUNNO\n\n"):
        lines = output(programs, tmp_path, ONE, "--rate", "100", "--seconds", "3", "--every", "1")
    said = [line.split()[2] for line in lines if line.startswith("so far ")]
    assert said[:2] == ["1", "2"]


def test_the_warm_up_is_not_counted(programs: Programs, tmp_path: Path) -> None:
    with service(tmp_path, b"action=DUNNO\n\n") as server:
        report = load(programs, tmp_path, ONE, "--warm-up", "1", "--seconds", "1", "--rate", "100")
    assert len(server.asked) >= 190
    assert 95 <= report["done"] <= 105


def test_the_c_echo_answers_dunno(programs: Programs, tmp_path: Path) -> None:
    policy_requests(tmp_path / "all", unique_sender=True)
    with subprocess.Popen([programs.policyecho(), f"unix:{tmp_path / 's'}"]) as echo:
        try:
            report = load(programs, tmp_path, (tmp_path / "all").read_text(), "--requests", "6000")
        finally:
            echo.kill()
    assert report["kinds"] == {"DUNNO": 6000}
