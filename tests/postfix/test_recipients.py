"""Many recipients of one message: each is judged for itself, the message once."""

from typing import Any

import pytest
from lab.host import RECIPIENTS, MailHost
from lab.smtp import Smtp

CLOSED = RECIPIENTS[:5]
RULES = {
    "closed.yml": {
        "shipped": "off",
        "rules": [
            {
                "name": "closed",
                "check": "list",
                "with": {"match": "recipient", "list": "closed"},
                "then": "reject",
                "reason": "{recipient} takes no mail.",
            },
            {
                "name": "odd",
                "check": "list",
                "with": {"match": "sender", "list": "odd"},
                "then": {"score": 2},
            },
        ],
        "thresholds": {"reject": 3},
    }
}
LISTS = {"closed": [f"{user}@example.org" for user in CLOSED], "odd": ["example.net"]}


def test_fifty_recipients_five_of_them_refused(mail_host: MailHost) -> None:
    mail_host.serve(rules=RULES, lists=LISTS)
    mail_host.postfix.forget_mail()
    fifty = RECIPIENTS[:50]
    with Smtp(mail_host.postfix.port) as smtp:
        smtp.xclient("198.51.100.10", "mail.example.net")
        smtp.ehlo("mail.example.net")
        replies = smtp.pipeline(
            "MAIL FROM:<x@example.net>", *(f"RCPT TO:<{user}@example.org>" for user in fifty)
        )
        reply = smtp.data(b"From: x@example.net\r\nSubject: to all\r\n\r\ntext\r\n")
    assert [one.code for one in replies] == [250] + [550] * 5 + [250] * 45
    assert reply.queue_id, reply
    mail_host.settle()
    assert [len(mail_host.postfix.delivered(user)) for user in fifty] == [0] * 5 + [1] * 45
    # The sender's score counts once, however many recipients there are.
    (mail,) = mail_host.postfix.delivered(fifty[-1])
    assert b"score=2;" in mail
    assert mail_host.trouble() == []


OUTCOMES: dict[str, tuple[Any, int]] = {
    "watch": ("watch", 250),
    "accept": ("accept", 250),
    "tagging-score": ({"score": 5}, 250),
    "reject": ("reject", 550),
    "defer": ("defer", 450),
    "hold": ("hold", 450),
    "refusing-score": ({"score": 11}, 550),
}
TRANSPORTS = (
    ("policyd", "asyncio"),
    ("milter", "asyncio"),
    pytest.param("milter", "libmilter", marks=pytest.mark.libmilter),
)


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize(("door", "transport"), TRANSPORTS)
def test_a_rule_about_one_recipient_leaves_the_other_alone(
    door: str, transport: str, outcome: str, mail_host: MailHost
) -> None:
    then, code = OUTCOMES[outcome]
    rule = {
        "name": "about-bob",
        "check": "list",
        "with": {"match": "recipient", "list": "bob"},
        "at": door,
        "stage": "rcpt",
        "then": then,
        "reason": "About {recipient}.",
    }
    mail_host.serve(
        rules={"bob.yml": {"shipped": "off", "rules": [rule], "thresholds": {"tag": 4, "reject": 10}}},
        lists={"bob": ["bob@example.org"]},
        settings={"milter": {"transport": transport}},
    )
    mail_host.postfix.forget_mail()
    with Smtp(mail_host.postfix.port) as smtp:
        smtp.xclient("198.51.100.10", "mail.example.net")
        smtp.ehlo("mail.example.net")
        smtp.mail("x@example.net")
        bob, alice = smtp.rcpt("bob@example.org"), smtp.rcpt("alice@example.org")
        reply = smtp.data(b"From: x@example.net\r\nSubject: to both\r\n\r\ntext\r\n")
    assert (bob.code, alice.code) == (code, 250)
    assert code == 250 or "About bob@example.org." in bob.text
    assert reply.queue_id, reply
    mail_host.settle()
    assert len(mail_host.postfix.delivered("bob")) == (code == 250)
    (mail,) = mail_host.postfix.delivered("alice")
    # One answer serves both at the end: a score that did not refuse its recipient counts there.
    assert (b"X-Postward-Tag: score 5.0" in mail) == (outcome == "tagging-score")
    assert mail_host.trouble() == []
