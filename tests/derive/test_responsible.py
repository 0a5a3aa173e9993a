"""The domain that answers for a mail."""

from ipaddress import ip_address

import pytest

from postward.address import parse
from postward.derive.responsible import domain_of
from postward.mail import Mail
from postward.stage import Stage


@pytest.mark.parametrize(
    ("sender", "helo", "ptr", "domain"),
    [
        ("a@mail.example.co.uk", "mx.example.com", "x", "example.co.uk"),
        ("<>", "mx.example.com", "x", "example.com"),
        ("<>", "192.0.2.1", "host.example.net", "example.net"),
        ("<>", "[192.0.2.1]", "host.example.net", "example.net"),
        ("<>", "a b.example", "host.example.net", "example.net"),
        ("<>", "x\x00.example.com", "host.example.net", "example.net"),
        ("<>", "localhost", "unknown", ""),
        ("a@[192.0.2.1]", "mx.example.com", "unknown", "[192.0.2.0/24]"),
        ("nodomain", "mx.example.com", "host.example.com", "[192.0.2.0/24]"),
        ("a@b..example", "mx.example.com", "unknown", "[192.0.2.0/24]"),
    ],
)
def test_whose_mail_it_is(sender: str, helo: str, ptr: str, domain: str) -> None:
    facts = {
        "client_address": ip_address("192.0.2.7"),
        "sender": parse(sender),
        "helo_name": helo,
        "reverse_client_name": ptr,
    }
    assert domain_of(Mail(Stage.MAIL, facts)) == domain


def test_before_mail_from_it_is_the_host_that_greets() -> None:
    assert domain_of(Mail(Stage.HELO, {"helo_name": "mx.example.com"})) == "example.com"
