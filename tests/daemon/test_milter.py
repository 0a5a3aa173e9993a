"""`postward milter` as real processes: workers that serve, reload, come back, and drain."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from milters.actions import Reply, ReplyCode
from milters.client import MilterClient
from milters.events import Body, Connect, Data, EndOfHeaders, EndOfMessage, Header, macros
from tests.console.site import make
from tests.daemon.running import Running, milter_session, until

RULES = """
shipped: off
rules:
  - name: deny-client
    check: list
    with: {match: client, list: bad}
    at: milter
    then: reject
    reason: "You are not welcome."
"""
OTHER = RULES.replace("not welcome", "to stay outside")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    make(tmp_path, rules=RULES)
    return tmp_path


def refusal(path: str) -> str:
    """What a listed client is told."""
    with MilterClient.connect(path) as session:
        session.negotiate()
        session.send(macros("C", [("daemon_name", "smtpd")]))
        (answer,) = session.ask(Connect(b"unknown", "4", 4711, b"192.0.2.66"))
        assert isinstance(answer, ReplyCode)
        return answer.text


def finish(session: MilterClient) -> Reply:
    """The rest of a message; the last reply."""
    session.send(macros("T", [("i", "4bXyZ12345zQq")]))
    session.ask(Data())
    session.ask(Header(b"From", b" a@example.net"))
    session.ask(EndOfHeaders())
    session.ask(Body(b"hello\r\n"))
    last = session.ask(EndOfMessage())[-1]
    assert isinstance(last, Reply)
    return last


def test_it_judges_by_the_rules(site: Path) -> None:
    with Running("milter", site) as daemon:
        assert "You are not welcome." in refusal(daemon.socket_path)
        with milter_session(daemon.socket_path) as session:
            assert finish(session) in (Reply.CONTINUE, Reply.ACCEPT)


def test_it_has_the_workers_that_were_asked_for(site: Path) -> None:
    with Running("milter", site) as daemon:
        assert len(daemon.workers()) == 2


def test_a_killed_worker_is_back_within_two_seconds(site: Path) -> None:
    with Running("milter", site) as daemon:
        first, second = daemon.workers()
        os.kill(first, signal.SIGKILL)
        began = time.monotonic()
        refusal(daemon.socket_path)  # the other serves meanwhile
        until(lambda: len(daemon.workers()) == 2 and first not in daemon.workers(), "it is back")
        assert time.monotonic() - began < 2.0
        assert second in daemon.workers()
        assert "another starts in" in daemon.log


def test_good_rules_reach_all_workers(site: Path) -> None:
    with Running("milter", site) as daemon:
        workers = daemon.workers()
        (site / "etc/rules.d/site.yml").write_text(OTHER)
        assert daemon.reload().error == ""
        assert all("You are to stay outside." in refusal(daemon.socket_path) for _ in range(20))
        assert daemon.workers() == workers


def test_bad_rules_leave_the_old_ones_in_force(site: Path) -> None:
    with Running("milter", site) as daemon:
        (site / "etc/rules.d/site.yml").write_text("rules: 5\n")
        assert "site.yml:1:8: rules: " in daemon.reload().error
        assert all("You are not welcome." in refusal(daemon.socket_path) for _ in range(20))


def test_term_lets_the_messages_in_flight_finish(site: Path) -> None:
    with Running("milter", site) as daemon:
        sessions = [milter_session(daemon.socket_path) for _ in range(30)]
        for session in sessions:
            session.send(macros("T", [("i", "4bXyZ12345zQq")]))
            session.ask(Data())
        daemon.process.terminate()
        until(lambda: not Path(daemon.socket_path).exists(), "it stops listening")
        replies = []
        for session in sessions:
            with session:
                session.ask(Header(b"From", b" a@example.net"))
                session.ask(EndOfHeaders())
                replies.append(session.ask(EndOfMessage())[-1])
        assert all(reply in (Reply.CONTINUE, Reply.ACCEPT) for reply in replies)
        assert daemon.process.wait(60) == 0
        assert "Traceback" not in daemon.log


def test_reloads_under_load_lose_no_session(site: Path) -> None:
    with Running("milter", site) as daemon:
        done = threading.Event()
        texts: list[str] = []

        def load() -> None:
            while not done.is_set():
                texts.append(refusal(daemon.socket_path))

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(6):
            (site / "etc/rules.d/site.yml").write_text([OTHER, RULES, "rules: 5\n"][number % 3])
            daemon.reload()
        done.set()
        for thread in threads:
            thread.join()
    assert len(texts) > 20
    assert all(text.startswith("You are ") for text in texts)


@pytest.mark.libmilter
def test_on_libmilter_it_serves_reloads_and_stops(site: Path) -> None:
    text = (site / "etc/postward.yml").read_text()
    (site / "etc/postward.yml").write_text(text.replace("workers: 2", "transport: libmilter"))
    with Running("milter", site) as daemon:
        assert "You are not welcome." in refusal(daemon.socket_path)
        (site / "etc/rules.d/site.yml").write_text(OTHER)
        assert daemon.reload().error == ""
        assert "You are to stay outside." in refusal(daemon.socket_path)
        with milter_session(daemon.socket_path) as session:
            assert finish(session) in (Reply.CONTINUE, Reply.ACCEPT)
        assert daemon.stop() == 0
        assert not Path(daemon.socket_path).exists()
