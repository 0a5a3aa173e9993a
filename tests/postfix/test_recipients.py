"""Many recipients of one message: each is judged for itself, the message once."""

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
