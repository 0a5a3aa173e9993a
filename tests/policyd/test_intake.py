"""What the attributes of a request mean."""

import ipaddress

import pytest

from policyd.intake import mail_of
from policyd.wire import ProtocolError
from postward.mail import NotKnownYet
from postward.stage import Stage

RCPT = {
    "request": "smtpd_access_policy",
    "protocol_state": "RCPT",
    "protocol_name": "ESMTP",
    "client_address": "2001:db8::7",
    "client_name": "mail.b.example",
    "reverse_client_name": "mail.b.example",
    "helo_name": "mail.b.example",
    "sender": "A@B.example",
    "recipient": "u@test.example",
    "recipient_count": "0",
    "queue_id": "",
    "instance": "e1.6b023fdd.b2c92.0",
    "size": "12345",
    "policy_context": "inbound",
}


def test_facts_of_a_request_at_rcpt() -> None:
    mail = mail_of(RCPT)
    assert mail.stage is Stage.RCPT
    assert mail.client_address == ipaddress.ip_address("2001:db8::7")
    assert (mail.sender.text, mail.sender.domain) == ("A@B.example", "b.example")
    assert mail.recipient.local == "u"
    assert (mail.size, mail.listener, mail.sasl_username) == (12345, "inbound", "")


def test_at_data_the_recipient_is_not_a_fact() -> None:
    mail = mail_of({**RCPT, "protocol_state": "DATA", "recipient": "", "recipient_count": "2"})
    assert mail.recipient_count == 2
    with pytest.raises(NotKnownYet):
        _ = mail.recipient


def test_the_queue_id_is_known_from_data_on() -> None:
    assert not mail_of(RCPT).knows("queue_id")
    assert mail_of({**RCPT, "protocol_state": "DATA", "queue_id": "B350E30"}).queue_id == "B350E30"


@pytest.mark.parametrize(
    ("state", "stage"),
    [
        ("CONNECT", Stage.CONNECT), ("EHLO", Stage.HELO), ("HELO", Stage.HELO), ("MAIL", Stage.MAIL),
        ("DATA", Stage.DATA), ("END-OF-MESSAGE", Stage.EOM), ("VRFY", Stage.HELO), ("ETRN", Stage.HELO),
    ],
)  # fmt: skip
def test_every_state_has_its_stage(state: str, stage: Stage) -> None:
    assert mail_of({**RCPT, "protocol_state": state}).stage is stage


@pytest.mark.parametrize("absent", sorted(RCPT.keys() - {"request", "protocol_state", "client_address"}))
def test_any_attribute_may_be_absent(absent: str) -> None:
    assert mail_of({name: value for name, value in RCPT.items() if name != absent}).stage is Stage.RCPT


@pytest.mark.parametrize(("state", "why"), [("", "missing"), ("LUNCH", "unknown")])
def test_a_state_that_is_not_known_is_refused(state: str, why: str) -> None:
    with pytest.raises(ProtocolError, match=why):
        mail_of({**RCPT, "protocol_state": state})


@pytest.mark.parametrize("size", ["", "x", "-1", "1e9", "9" * 30, "²"])
def test_a_size_that_is_no_count_is_nothing(size: str) -> None:
    assert mail_of({**RCPT, "size": size}).size == 0


@pytest.mark.parametrize("address", ["", "unknown", "1.2.3", "::ffff:1.2.3.4.5"])
def test_a_client_without_an_address_is_not_taken_for_this_host(address: str) -> None:
    with pytest.raises(ProtocolError, match="client_address"):
        mail_of({**RCPT, "client_address": address})


@pytest.mark.parametrize("text", ["4A; m=0", "4A\x1b", "é", "A" * 65])
def test_a_queue_id_that_postfix_cannot_have_made_is_none(text: str) -> None:
    assert mail_of({**RCPT, "protocol_state": "DATA", "queue_id": text}).queue_id == ""
