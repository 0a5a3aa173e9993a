"""Forged Authentication-Results, findings and verdicts: none survives, ours is the first."""

import re

import pytest
from lab.host import MailHost
from lab.smtp import Smtp

NEVER = {"check": "list", "with": {"match": "sender", "list": "deny-senders"}}
RULES = {
    "odd.yml": {"shipped": "off", "rules": [{"name": "odd", **NEVER, "then": {"tag": {"header": "X-Odd"}}}]}
}
SPELLINGS = (
    "Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=forged.example",
    "authentication-results: MX.EXAMPLE.ORG; spf=pass smtp.mailfrom=forged.example",
    "AUTHENTICATION-RESULTS:mx.example.org 1; dkim=pass header.d=forged.example",
    "Authentication-Results: mx.example.org.; dkim=pass header.d=forged.example",
    'Authentication-Results: "mx.example.org"; dkim=pass header.d=forged.example',
    "Authentication-Results: (a (nested) comment) mx.example.org (b) 1 (c); spf=pass (forged.example)",
    "Authentication-Results:\r\n mx.example.org;\r\n\tspf=pass smtp.mailfrom=forged.example",
    "Authentication-Results:\t mx.example.org\r\n ; spf=pass smtp.mailfrom=forged.example",
    "Authentication-Results: mx.example.org" + "; spf=pass smtp.mailfrom=forged.example" * 100,
    'Authentication-Results: "mx\\.example.org"; spf=pass smtp.mailfrom=forged.example',
    "X-Postward-Findings: v=1; q=x; t=forged; s=-99; m=00",
    "X-Postward-Verdict: accept; score=-99; forged",
    "X-Postward-Tag: forged",
    "X-Postward-Tag : forged",
    "x-postward-anything: forged",
    "X-Odd: forged",
    "X-ODD : forged",
)
OTHERS = (
    "Authentication-Results: elsewhere.example; spf=pass smtp.mailfrom=kept.example",
    "Authentication-Results: sub.mx.example.org; spf=pass smtp.mailfrom=kept.example",
)


def _deliver(host: MailHost, fields: list[str]) -> bytes:
    host.serve(rules=RULES)
    message = "\r\n".join([*fields, "From: x@example.net", "Subject: forged", "", "text", ""]).encode()
    with Smtp(host.postfix.port) as smtp:
        smtp.xclient("198.51.100.10", "mail.example.net")
        smtp.ehlo("mail.example.net")
        smtp.mail("x@example.net")
        smtp.rcpt("alice@example.org")
        reply = smtp.data(message)
    assert reply.queue_id, reply
    header, _, _ = host.postfix.wait_delivered("alice", reply.queue_id).partition(b"\n\n")
    return re.sub(rb"\n[ \t]+", b" ", header)


@pytest.mark.parametrize("copies", [1, 2, 3, 5, 8, 50, 300])
def test_none_of_many_copies_survives(copies: int, mail_host: MailHost) -> None:
    fields = [f"{SPELLINGS[number % 4]} (copy {number})" for number in range(copies)]
    fields[copies // 2 : copies // 2] = OTHERS
    header = _deliver(mail_host, fields)
    results = re.findall(rb"(?im)^authentication-results:\s*(\S+?);", header)
    assert results == [b"mx.example.org", b"elsewhere.example", b"sub.mx.example.org"]
    assert b"forged.example" not in header


@pytest.mark.parametrize("field", SPELLINGS, ids=range(len(SPELLINGS)))
def test_no_spelling_survives(field: str, mail_host: MailHost) -> None:
    header = _deliver(mail_host, [OTHERS[0], field, OTHERS[1]])
    assert b"forged" not in header.replace(b"Subject: forged", b"")
    assert header.count(b"kept.example") == 2
    assert b"X-Postward-Findings" not in header
    assert len(re.findall(rb"(?m)^X-Postward-Verdict:", header)) == 1
    assert mail_host.trouble() == []
