"""Every decision at every stage at either door, through a real Postfix.

All rules are loaded at once; each applies to one client address, so that a case is one connection.
policyd is asked by two listeners: as Postfix does by default (everything that is known by RCPT is
asked about at RCPT), and at each single stage (`smtpd_delay_reject=no`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
from lab.host import MailHost
from lab.smtp import Reply, Smtp

STAGES = ("connect", "helo", "mail", "rcpt", "data", "eom")
OUTCOMES = {
    "continue": "watch",
    "accept": "accept",
    "reject": {"reject": {"code": 554, "enhanced": "5.7.0"}},
    "defer": {"defer": {"code": 451, "enhanced": "4.7.9"}},
    "hold": "hold",
    "quarantine": "quarantine",
    "discard": "discard",
}
CODES = {"reject": 554, "defer": 451, "hold": 450}
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
        return f"198.18.0.{self.number}"

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
        yield Case(number, decision, stage, door, listener)


CASES = list(_cases())


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
            }
        )
        if case.decision == "accept":
            # policyd tells the milter of it at DATA: at the end of the message it is too late for that.
            door = "policyd" if case.name == "accept-eom-policyd" else "milter"
            rules.append(
                {"name": f"after-{case.name}", **about, "at": door, "stage": "eom", "then": "reject"}
            )
    return {"matrix.yml": {"shipped": "off", "rules": rules}}


def _lists() -> dict[str, list[str]]:
    lists: dict[str, list[str]] = {}
    for case in CASES:
        lists.setdefault(case.name, []).append(case.client)
    return lists


RULES, LISTS = _rules(), _lists()


def _play(case: Case, host: MailHost) -> tuple[Reply, str]:
    """One connection with one message; the reply that ended it, and to what it was."""
    port = host.postfix.eager_port if case.listener == "eager" else host.postfix.port
    message = f"From: {case.sender}\r\nSubject: {case}\r\n\r\ntext\r\n".encode()
    with Smtp(port) as smtp:
        steps: tuple[tuple[str, Callable[[], Reply]], ...] = (
            ("XCLIENT", lambda: smtp.xclient(case.client, "host.case.example")),
            ("EHLO", lambda: smtp.ehlo("host.case.example")),
            ("MAIL", lambda: smtp.mail(case.sender)),
            ("RCPT", lambda: smtp.rcpt("alice@example.org")),
            ("DATA", lambda: smtp.command("DATA")),
        )
        for command, step in steps:
            reply = step()
            if reply.code >= 400:
                return reply, command
        smtp.send(message + b".\r\n")
        return smtp.reply(), "EOM"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_is_done_as_decided(case: Case, mail_host: MailHost) -> None:
    mail_host.serve(rules=RULES, lists=LISTS)
    mail_host.postfix.forget_mail()
    held = set(mail_host.postfix.on_hold())
    reply, command = _play(case, mail_host)
    if case.name == "reject-connect-milter":
        # Postfix greets such a client with words of its own; ours come with MAIL.
        assert (reply.text, command) == ("554 mx.example.org ESMTP not accepting connections", "XCLIENT")
    elif case.decision in CODES:
        assert (reply.code, command) == (CODES[case.decision], LEARNS[case.door, case.listener][case.stage])
        assert case.name in reply.text
    else:
        assert (reply.code, command) == (250, "EOM"), reply
    mail_host.settle()
    taken = case.decision in {"continue", "accept"}
    assert len(mail_host.postfix.delivered("alice")) == taken
    assert len(set(mail_host.postfix.on_hold()) - held) == (case.decision == "quarantine")
    assert mail_host.trouble() == []
