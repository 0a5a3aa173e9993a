"""One decision, one log line and one journal entry; never an exception."""

import ipaddress
import os
from collections.abc import Iterator

import pytest

from postward.address import parse
from postward.daemon.log import Log, Sink
from postward.daemon.record import Recorder
from postward.decision import Continue, Decision, Reject, Reply
from postward.finding import Clear, Hit
from postward.journal import Pseudonyms, Record
from postward.mail import Mail
from postward.rules.judgement import Judged, Judgement
from postward.stage import Stage


class StillClock:
    def wall(self) -> float:
        return 1000.0

    def monotonic(self) -> float:
        return 5.0


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


MAIL = Mail(
    Stage.RCPT,
    {
        "client_address": ipaddress.ip_address("192.0.2.7"),
        "helo_name": "evil\x1b[2J\nx",
        "sender": parse("a@example.net"),
        "recipient": parse("b@example.org"),
    },
)
JUDGED = (
    Judged("one", "rdns", Hit("missing"), "score", 2.5, "enforce", 0.001, ""),
    Judged("two", "spf", Clear(), "", 0.0, "enforce", 0.0, ""),
)


def judgement(decision: Decision, judged: tuple[Judged, ...] = JUDGED) -> Judgement:
    return Judgement("7QK2M8XW4T", Stage.RCPT, decision, "one", 2.5, judged, (), None, 0.00123)


def test_a_decision_is_one_line_and_one_entry(pipe: tuple[int, int]) -> None:
    written: list[Record] = []
    record = Recorder(Log(Sink(pipe[1]), "text", "info"), StillClock(), Pseudonyms(None), written.append)
    record("policyd", MAIL, judgement(Reject(Reply(550, "5.7.1", "no"))))
    line = os.read(pipe[0], 4096).decode()
    assert line.split(" ", 1)[1] == (
        "info decision trace=7QK2M8XW4T door=policyd stage=rcpt decision=reject by=one score=2.5 rules=one "
        'client=192.0.2.7 helo="evil\\x1b[2J\\nx" from=<a@example.net> to=<b@example.org> '
        'reply="550 5.7.1 no" ms=1.23\n'
    )
    assert [each.time for each in written] == [1000.0]


def test_where_nothing_was_asked_there_is_no_log_line_but_an_entry(pipe: tuple[int, int]) -> None:
    written: list[Record] = []
    log = Log(Sink(pipe[1]), "text", "info")
    Recorder(log, StillClock(), Pseudonyms(None), written.append)("policyd", MAIL, judgement(Continue(), ()))
    log.sink.line("end")
    assert os.read(pipe[0], 4096) == b"end\n"
    assert len(written) == 1


def test_a_quiet_log_still_fills_the_journal(pipe: tuple[int, int]) -> None:
    written: list[Record] = []
    log = Log(Sink(pipe[1]), "text", "warning")
    Recorder(log, StillClock(), Pseudonyms(None), written.append)("policyd", MAIL, judgement(Continue()))
    log.sink.line("end")
    assert os.read(pipe[0], 4096) == b"end\n"
    assert len(written) == 1


def test_pseudonyms_hold_for_the_log_too(pipe: tuple[int, int]) -> None:
    record = Recorder(Log(Sink(pipe[1]), "text", "info"), StillClock(), Pseudonyms(b"k" * 32), None)
    record("policyd", MAIL, judgement(Reject(Reply(550, "5.7.1", "b@example.org is gone"))))
    line = os.read(pipe[0], 4096).decode()
    assert "b@example.org" not in line
    assert "a@example.net" not in line


def test_trouble_of_the_journal_is_logged_not_raised(
    pipe: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    def fails(record: Record) -> None:
        raise RuntimeError("down")

    record = Recorder(Log(Sink(pipe[1]), "text", "info"), StillClock(), Pseudonyms(None), fails)
    record("policyd", MAIL, judgement(Continue()))
    assert "a decision that cannot be recorded (trace 7QK2M8XW4T)" in caplog.text
