"""The facts of a mail that nobody sent."""

import asyncio
import ipaddress

import pytest

from postward.address import parse
from postward.console.pretend import Envelope, at_rcpt, first, header_of, mails, names_of
from postward.mail import FACTS, HeaderField
from postward.stage import Door, Stage
from tests.dns_zone import ZoneDns

CLIENT = ipaddress.ip_address("192.0.2.7")
TO = (parse("b@example.org"), parse("c@example.org"))
ENVELOPE = Envelope(CLIENT, "mx.example", "mx.example", "mx.example", parse("a@example.net"), TO, "", "")
MESSAGE = b"From: a@example.net\r\nSubject: x\r\n folded\r\n\r\nbody\r\n"


def test_fields_keep_their_folds_and_blanks() -> None:
    assert header_of(MESSAGE) == (
        HeaderField(b"From", b" a@example.net"),
        HeaderField(b"Subject", b" x\r\n folded"),
    )


def test_bare_line_feeds_are_read_the_same_way() -> None:
    assert header_of(MESSAGE.replace(b"\r\n", b"\n")) == header_of(MESSAGE)


@pytest.mark.parametrize(
    ("message", "names"),
    [
        (b"", []),
        (b"\nA: b\n", []),
        (b"A: b\nno field\nC: d\n", [b"A"]),
        (b" From: x\nB: c\n", [b" From", b"B"]),
        (b"From sender Mon Jan 1\nA: b\n\nC: d\n", [b"A"]),
    ],
)
def test_odd_headers(message: bytes, names: list[bytes]) -> None:
    assert [each.name for each in header_of(message)] == names


def test_a_huge_header_is_bounded() -> None:
    assert len(header_of(b"A: b\n" * 100_000)) == 2_000


def test_the_first_of_several_names_is_found() -> None:
    headers = header_of(b"To: x\nReturn-Path: <a@b>\n")
    assert first(headers, b"return-path", b"to") == "<a@b>"
    assert first(headers, b"subject") == ""


@pytest.mark.parametrize("door", list(Door))
def test_each_door_knows_what_it_would_know(door: Door) -> None:
    grown = mails(door, ENVELOPE, MESSAGE, TO)
    grown[Stage.RCPT] = at_rcpt(grown[Stage.MAIL], TO[0])
    for stage, mail in grown.items():
        assert mail.stage is stage
        expected = {name for name, fact in FACTS.items() if (known := fact.stage(door)) and known <= stage}
        if stage > Stage.RCPT:
            expected.discard("recipient")
        assert set(mail.known) == expected


ZONE = """
7.2.0.192.in-addr.arpa. PTR mx.example.
8.2.0.192.in-addr.arpa. PTR liar.example.
mx.example. A 192.0.2.7
liar.example. A 192.0.2.99
"""


@pytest.mark.parametrize(
    ("address", "names"),
    [
        ("192.0.2.7", ("mx.example", "mx.example")),
        ("192.0.2.8", ("unknown", "liar.example")),
        ("192.0.2.9", ("unknown", "unknown")),
    ],
)
def test_the_clients_names_are_those_that_postfix_would_see(address: str, names: tuple[str, str]) -> None:
    found = asyncio.run(names_of(ipaddress.ip_address(address), ZoneDns(ZONE)))
    assert found == names
