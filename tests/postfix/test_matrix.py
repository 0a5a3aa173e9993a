"""Every decision at every stage at either door, through a real Postfix; a sample also on libmilter.

What was taken bears the verdict of both doors, and `postward why` tells one story of each mail.
All rules are loaded at once; each applies to one client address, so that a case is one connection.
policyd is asked by two listeners: as Postfix does by default (everything that is known by RCPT is
asked about at RCPT), and at each single stage (`smtpd_delay_reject=no`).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
from lab.host import MailHost
from lab.patience import until
from lab.smtp import Reply, Smtp

from postward.console.options import Trouble
from postward.console.why import find
from postward.daemon.config import load_settings
from postward.journal import Entry

STAGES = ("connect", "helo", "mail", "rcpt", "data", "eom")
OUTCOMES = {
    "continue": "watch",
    "accept": "accept",
    "reject": {"reject": {"code": 554, "enhanced": "5.7.0"}},
    "defer": {"defer": {"code": 451, "enhanced": "4.7.9"}},
    "hold": "hold",
    "quarantine": "quarantine",
    "discard": "discard",
    "tag": {"tag": {"header": "X-Matrix"}},
    "score-tag": {"score": 5},
    "score-quarantine": {"score": 7},
    "score-defer": {"score": 9},
    "score-reject": {"score": 11},
}
THRESHOLDS = {"tag": 4, "quarantine": 6, "defer": 8, "reject": 10}
CODES = {"reject": 554, "defer": 451, "hold": 450, "score-defer": 450, "score-reject": 550}
HELD = {"quarantine", "score-quarantine"}
USERS = ("alice", "bob")
# At which command the client learns of a refusal. Postfix answers a milter's refusal of a connection
# or HELO to MAIL, as it does with its own restrictions under smtpd_delay_reject.
LEARNS = {
    ("policyd", "inbound"): dict(zip(STAGES, ("RCPT", "RCPT", "RCPT", "RCPT", "DATA", "EOM"), strict=True)),
    # XCLIENT carries a HELO name too, so policyd takes its request for one about HELO.
    ("policyd", "eager"): dict(
        zip(STAGES, ("XCLIENT", "XCLIENT", "MAIL", "RCPT", "DATA", "EOM"), strict=True)
    ),
    ("milter", "inbound"): dict(zip(STAGES, ("MAIL", "MAIL", "MAIL", "RCPT", "DATA", "EOM"), strict=True)),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One cell of the matrix; `number` makes its client address and its sender domain."""

    number: int
    decision: str
    stage: str
    door: str
    listener: str

    @property
    def name(self) -> str:
        return f"{self.decision}-{self.stage}-{self.door}"

    @property
    def client(self) -> str:
        return f"198.18.{self.number // 250}.{self.number % 250 + 1}"

    @property
    def sender(self) -> str:
        return f"x@case{self.number}.example"

    def __str__(self) -> str:
        return f"{self.name}-{self.listener}"


def _cases() -> Iterator[Case]:
    cells = product(LEARNS, STAGES, OUTCOMES)
    for number, ((door, listener), stage, decision) in enumerate(cells, 1):
        if decision == "hold" and stage in ("connect", "helo"):
            continue  # a hold is about a sender domain: refused when the rules are loaded
        if decision == "tag" and (door, stage) != ("milter", "eom"):
            continue  # a header is changed at its end and by the milter: else refused when rules are loaded
        if (decision, stage, door) == ("score-tag", "eom", "policyd"):
            continue  # the milter hears of what was found at DATA: after that only policyd counts it
        if (decision, stage, door) == ("accept", "eom", "policyd"):
            continue  # the same: refused when the rules are loaded
        yield Case(number, decision, stage, door, listener)


CASES = list(_cases())
LIBMILTER = [case for case in CASES if case.door == "milter" and case.stage in ("connect", "rcpt", "eom")]
PARAMETERS = [
    *(pytest.param(case, "asyncio", id=str(case)) for case in CASES),
    *(
        pytest.param(case, "libmilter", id=f"{case}-libmilter", marks=pytest.mark.libmilter)
        for case in LIBMILTER
    ),
]


def _rules() -> dict[str, Any]:
    rules: list[dict[str, Any]] = []
    for case in CASES:
        if case.listener == "eager":
            continue  # the same rule as for inbound: its list holds both clients
        about = {"check": "list", "with": {"match": "client", "list": case.name}}
        rules.append(
            {
                "name": case.name,
                **about,
                "at": case.door,
                "stage": case.stage,
                "then": OUTCOMES[case.decision],
                "reason": f"Matrix {case.name}.",
            }
        )
        if case.decision == "accept":
            rules.append(
                {"name": f"after-{case.name}", **about, "at": "milter", "stage": "eom", "then": "reject"}
            )
    return {"matrix.yml": {"shipped": "off", "rules": rules, "thresholds": THRESHOLDS}}


def _lists() -> dict[str, list[str]]:
    lists: dict[str, list[str]] = {}
    for case in CASES:
        lists.setdefault(case.name, []).append(case.client)
    return lists


RULES, LISTS = _rules(), _lists()


def _play(case: Case, host: MailHost) -> tuple[Reply, str]:
    """One connection with one message to two; the reply that ended it, and to what it was."""
    port = host.postfix.eager_port if case.listener == "eager" else host.postfix.port
    message = f"From: {case.sender}\r\nSubject: {case}\r\n\r\ntext\r\n".encode()
    with Smtp(port) as smtp:
        steps: tuple[tuple[str, Callable[[], Reply]], ...] = (
            ("XCLIENT", lambda: smtp.xclient(case.client, "host.case.example")),
            ("EHLO", lambda: smtp.ehlo("host.case.example")),
            ("MAIL", lambda: smtp.mail(case.sender)),
            ("RCPT", lambda: smtp.rcpt("alice@example.org")),
            ("RCPT", lambda: smtp.rcpt("bob@example.org")),
            ("DATA", lambda: smtp.command("DATA")),
        )
        for command, step in steps:
            reply = step()
            if reply.code >= 400:
                return reply, command
        smtp.send(message + b".\r\n")
        return smtp.reply(), "EOM"


def _why(case: Case, host: MailHost, key: str) -> tuple[Entry, ...]:
    """What `postward why` knows of the one mail that `key` means, once the case's rule stands there."""

    def ask() -> tuple[Entry, ...] | None:
        try:
            mails = find(load_settings(host.daemons.config), key, 10)
        except Trouble:  # the journal is written a little later
            return None
        assert len(mails) <= 1, f"{len(mails)} stories of one mail"
        told = any(rule.rule == case.name for story in mails for entry in story for rule in entry.rules)
        return mails[0] if told else None

    found = until(ask, f"{case.name} in the story of {key}")
    assert found is not None
    return found


def _check_refused(case: Case, reply: Reply, command: str, host: MailHost) -> None:
    if case.stage == "connect" and case.door == "milter" and CODES[case.decision] >= 500:
        # Postfix greets such a client with words of its own; ours come with MAIL.
        assert (reply.text, command) == ("554 mx.example.org ESMTP not accepting connections", "XCLIENT")
        return
    assert (reply.code, command) == (CODES[case.decision], LEARNS[case.door, case.listener][case.stage])
    assert f"Matrix {case.name}." in reply.text
    trace = re.search(r"\[([0-9A-Z]{10})\]", reply.text)
    assert trace, reply
    assert {entry.trace for entry in _why(case, host, trace[1])} == {trace[1]}


def _check_told(case: Case, reply: Reply, mail: str, host: MailHost) -> None:
    """The header and the journal of a mail that was taken."""
    (verdict,) = re.findall(r"(?m)^X-Postward-Verdict: (.*)$", re.sub(r"\n[ \t]+", " ", mail))
    words = dict(word.partition("=")[::2] for word in verdict.split("; ")[1:])
    score = OUTCOMES[case.decision]["score"] if case.decision.startswith("score-") else 0  # type: ignore[index]
    heard = (case.stage, case.door) != ("eom", "policyd")  # of that the milter hears too late
    if heard:
        wanted = (
            "quarantine" if case.decision in HELD else "accept" if case.decision == "accept" else "continue"
        )
        assert (verdict.partition(";")[0], words["score"]) == (wanted, str(score))
        assert not score or words["rules"] == f"{case.name}:{score}"
    assert {entry.trace for entry in _why(case, host, reply.queue_id)} == {words["trace"]}
    assert mail.count(f"X-Matrix: {case.name}\n") == (case.decision == "tag")
    assert mail.count("X-Postward-Tag: score ") == (heard and score >= THRESHOLDS["tag"])
    assert "X-Postward-Findings" not in mail


@pytest.mark.parametrize(("case", "transport"), PARAMETERS)
def test_is_done_as_decided(case: Case, transport: str, mail_host: MailHost) -> None:
    mail_host.serve(rules=RULES, lists=LISTS, settings={"milter": {"transport": transport}})
    mail_host.postfix.forget_mail()
    before = set(mail_host.postfix.on_hold())
    reply, command = _play(case, mail_host)
    if case.decision in CODES:
        _check_refused(case, reply, command, mail_host)
    else:
        assert (reply.code, command) == (250, "EOM"), reply
    mail_host.settle()
    taken = case.decision not in {*CODES, *HELD, "discard"}
    delivered = [mail_host.postfix.delivered(user) for user in USERS]
    assert [len(mails) for mails in delivered] == [taken] * len(USERS)
    held = set(mail_host.postfix.on_hold()) - before
    assert held == ({reply.queue_id} if case.decision in HELD else set())
    for mails in delivered if taken else []:
        _check_told(case, reply, mails[0].decode(), mail_host)
    for queue_id in held:
        _check_told(case, reply, mail_host.postfix.run("postcat", "-qh", queue_id).stdout, mail_host)
    assert mail_host.trouble() == []
