"""A quarantine at policyd: the mail waits in the hold queue, and nothing that was found is lost."""

from typing import Any

import pytest
from lab.host import MailHost
from lab.patience import until
from lab.smtp import Reply, Smtp

LISTS = {"odd": ["odd.example"], "very-odd": ["very-odd.example"], "bob": ["bob@example.org"]}
ODD = {"check": "list", "with": {"match": "sender", "list": "odd"}}
HOLDS: dict[str, dict[str, Any]] = {
    "sender": {**ODD, "then": "quarantine"},
    "recipient": {
        "check": "list",
        "with": {"match": "recipient", "list": "bob"},
        "when": [{"sender_domain": "odd.example"}],
        "then": "quarantine",
    },
    "data": {**ODD, "stage": "data", "then": "quarantine"},
    "eom": {**ODD, "stage": "eom", "at": "milter", "then": "quarantine"},
    "milter": {
        "check": "list",
        "with": {"match": "recipient", "list": "bob"},
        "when": [{"sender_domain": "odd.example"}],
        "at": "milter",
        "then": "quarantine",
    },
}


def _rules(hold: str) -> dict[str, Any]:
    rules = [
        {"name": "holds", **HOLDS[hold]},
        {"name": "scores", **ODD, "then": {"score": 8}},
        {
            "name": "no-from",
            "check": "from_header",
            "with": {"verdict": "none"},
            "then": {"score": 8},
        },
    ]
    return {"hold.yml": {"shipped": "off", "rules": rules, "thresholds": {"reject": 16}}}


def _send(host: MailHost, message: bytes) -> Reply:
    with Smtp(host.postfix.port) as smtp:
        smtp.xclient("198.51.100.10", "mail.example.net")
        smtp.ehlo("mail.example.net")
        smtp.mail("x@odd.example")
        smtp.rcpt("alice@example.org")
        smtp.rcpt("bob@example.org")
        return smtp.data(message)


@pytest.mark.parametrize("hold", HOLDS)
def test_the_milter_hears_of_it(hold: str, mail_host: MailHost) -> None:
    mail_host.serve(rules=_rules(hold), lists=LISTS)
    mail_host.postfix.forget_mail()
    reply = _send(mail_host, b"From: x@odd.example\r\nSubject: waits\r\n\r\ntext\r\n")
    assert reply.queue_id, reply
    until(lambda: reply.queue_id in mail_host.postfix.on_hold(), "a mail on hold")
    field = mail_host.postfix.held_field(reply.queue_id, "X-Postward-Verdict")
    assert field.startswith("quarantine; score=8; rules="), field
    assert {"scores:8", "holds"} == set(field.split("; ")[2].removeprefix("rules=").split(",")), field
    entries: list[dict[str, Any]] = []

    def both_doors() -> bool:
        entries[:] = mail_host.daemons.why(reply.queue_id)
        return {"policyd", "milter"} <= {entry["door"] for entry in entries}

    until(both_doors, "the journal of both doors")
    assert {f"trace={entry['trace']}" for entry in entries} == {field.split("; ")[3]}
    last = entries[-1]
    assert (last["door"], last["decision"], last["by"]) == ("milter", "quarantine", "holds")
    assert mail_host.postfix.delivered("alice") == []
    assert mail_host.trouble() == []


@pytest.mark.parametrize("hold", HOLDS)
def test_its_score_still_counts(hold: str, mail_host: MailHost) -> None:
    mail_host.serve(rules=_rules(hold), lists=LISTS)
    reply = _send(mail_host, b"Subject: without From\r\n\r\ntext\r\n")
    assert reply.code == 550, reply
