"""Framing and parsing of hostile and odd requests, and what an answer may look like."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyd.wire import (
    MAX_ATTRIBUTES,
    MAX_REQUEST,
    Framer,
    ProtocolError,
    answer,
    parse,
)

FIRST = b"request=smtpd_access_policy\n"


def test_pipelined_requests_come_out_in_order() -> None:
    assert Framer().feed(b"a=1\n\nb=2\n\nc=") == [b"a=1", b"b=2"]


def test_an_unfinished_request_is_kept() -> None:
    framer = Framer()
    assert framer.feed(b"a=1\n") == []
    assert framer.unfinished == 4
    assert framer.feed(b"\n") == [b"a=1"]


def test_a_request_without_end_is_refused_before_it_fills_the_memory() -> None:
    framer = Framer()
    with pytest.raises(ProtocolError, match="more than 65536 octets"):
        for _ in range(100):
            framer.feed(b"x" * 8192)
    assert framer.unfinished <= MAX_REQUEST


def test_only_the_first_equals_sign_divides() -> None:
    assert parse(FIRST + b"sender=a=b=c@x.example")["sender"] == "a=b=c@x.example"


def test_an_empty_value_is_a_value() -> None:
    assert parse(FIRST + b"sender=")["sender"] == ""


def test_of_a_repeated_attribute_the_last_counts() -> None:
    assert parse(FIRST + b"size=1\nsize=2")["size"] == "2"


def test_unknown_attributes_are_kept_and_harm_nothing() -> None:
    assert parse(FIRST + b"tls_sni=mx.example.org\nfrom_the_future=1")["tls_sni"] == "mx.example.org"


def test_a_percent_sign_is_just_a_character() -> None:
    assert parse(FIRST + b"helo_name=%s%n{0}\\")["helo_name"] == "%s%n{0}\\"


def test_bytes_that_are_no_utf8_become_surrogates() -> None:
    assert parse(FIRST + b"helo_name=\xff")["helo_name"] == "\udcff"


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (b"sender=a@b.example", "not a request=smtpd_access_policy"),
        (b"request=junk_protocol", "not a request=smtpd_access_policy"),
        (FIRST + b"no equals sign", "a line without `=`"),
        (b"", "a line without `=`"),
        (b"\n".join([FIRST.strip()] + [b"a%d=1" % n for n in range(MAX_ATTRIBUTES)]), "attributes"),
        (FIRST + b"sender=" + b"x" * MAX_REQUEST, "octets"),
        (FIRST + b"sender=a\0b", "a NUL octet"),
        (b"request=smtpd_access_policy\r\nsender=a@b.example\r", "not a request=smtpd_access_policy"),
    ],
)
def test_what_is_no_request_is_refused(request_: bytes, why: str) -> None:
    with pytest.raises(ProtocolError, match=why):
        parse(request_)


@given(st.binary(max_size=2000))
def test_any_bytes_give_attributes_or_a_protocol_error(data: bytes) -> None:
    try:
        for request in Framer().feed(FIRST + data + b"\n\n"):
            assert parse(request)["request"] == "smtpd_access_policy"
    except ProtocolError as error:
        assert str(error)


@given(st.text())
def test_an_answer_is_one_printable_line(text: str) -> None:
    raw = answer(text)
    assert raw.startswith(b"action=") and raw.endswith(b"\n\n")
    line = raw[:-2]
    assert line.isascii() and line.decode().isprintable()
    assert len(line) <= 998


@pytest.mark.parametrize(
    ("begun", "why"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n", "a line without `=`"),
        (b"GET /?a=b HTTP/1.1\r\n", "CR LF"),
        (b"EHLO x\r\n", "a line without `=`"),
        (b"request=smtpd_access_policy\r\n", "CR LF"),
    ],
)
def test_another_protocol_is_refused_at_its_first_line(begun: bytes, why: str) -> None:
    with pytest.raises(ProtocolError, match=why):
        Framer().feed(begun)


def test_what_is_complete_is_answered_before_junk_is_refused() -> None:
    framer = Framer()
    assert framer.feed(b"a=1\n\nGET /\n") == [b"a=1"]
    with pytest.raises(ProtocolError):
        framer.feed(b"x")
