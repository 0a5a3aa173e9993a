"""Commands of the MTA: decoded, encoded, refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milters.events import (
    Abort,
    Body,
    Connect,
    Data,
    EndOfHeaders,
    EndOfMessage,
    Header,
    Helo,
    MailFrom,
    Negotiate,
    Quit,
    QuitNewConnection,
    RcptTo,
    Unknown,
    decode,
    encode,
    macros,
)
from milters.wire import ProtocolError

TEXT = st.binary(max_size=30).filter(lambda octets: b"\0" not in octets)
ARGUMENTS = st.lists(TEXT, max_size=5).map(tuple)
EVENTS = st.one_of(
    st.builds(Negotiate, *[st.integers(0, 2**32 - 1)] * 3),
    st.builds(Connect, TEXT, st.sampled_from("46L"), st.integers(0, 65535), TEXT),
    st.builds(Connect, TEXT, st.just("U"), st.just(0), st.just(b"")),
    st.builds(Helo, TEXT),
    st.builds(MailFrom, TEXT, ARGUMENTS),
    st.builds(RcptTo, TEXT, ARGUMENTS),
    st.builds(Header, TEXT, TEXT),
    st.builds(Body, st.binary()),
    st.builds(EndOfMessage, st.binary()),
    st.builds(Unknown, TEXT),
    st.sampled_from([Data(), EndOfHeaders(), Abort(), Quit(), QuitNewConnection()]),
)


@given(EVENTS)
def test_what_is_encoded_is_decoded(event):
    assert decode(*encode(event)) == event


def test_macros_are_read_without_their_braces():
    event = macros("M", [("i", "4ABC"), ("auth_authen", "joe")])
    assert decode(*encode(event)).pairs() == {"i": "4ABC", "auth_authen": "joe"}


def test_no_macros_at_all():
    assert decode(ord("D"), b"H").pairs() == {}


@pytest.mark.parametrize("payload", [b"Mi\x00", b"Mi", b"Mi\x00x", b"M" + b"i\x00x\x00" * 201])
def test_macros_that_are_none(payload):
    with pytest.raises(ProtocolError):
        decode(ord("D"), payload).pairs()


@pytest.mark.parametrize(
    ("command", "payload"),
    [
        (b"Z", b""),
        (b"\x00", b""),
        (b"\xff", b"x"),
        (b"O", b"\0" * 11),
        (b"D", b""),
        (b"C", b""),
        (b"C", b"name"),
        (b"C", b"name\0"),
        (b"C", b"name\x009\0\0x\0"),
        (b"C", b"name\x004"),
        (b"C", b"name\x004\0\x19"),
        (b"C", b"name\x004\0\x19192.0.2.1"),
        (b"H", b""),
        (b"H", b"name"),
        (b"M", b""),
        (b"M", b"<a@b>"),
        (b"M", b"<a@b>\0" + b"X\0" * 100),
        (b"R", b"<a@b>"),
        (b"L", b""),
        (b"L", b"From"),
        (b"L", b"From\0"),
        (b"L", b"From\0 x"),
        (b"T", b"x"),
        (b"N", b"x"),
        (b"A", b"x"),
        (b"Q", b"x"),
        (b"K", b"x"),
        (b"U", b"x"),
    ],
)
def test_what_is_no_command_is_refused(command, payload):
    with pytest.raises(ProtocolError):
        decode(command[0], payload)


@given(st.integers(0, 255), st.binary(max_size=60))
def test_any_packet_is_an_event_or_a_protocol_error(command, payload):
    try:
        event = decode(command, payload)
    except ProtocolError:
        return
    assert type(decode(*encode(event))) is type(event)


def test_a_command_longer_than_any_smtp_line_is_refused():
    # Its text is kept for as long as the message lasts, once for each recipient.
    with pytest.raises(ProtocolError, match="20002 octets"):
        decode(ord("R"), b"<" + b"a" * 20_000 + b"\0")
    assert decode(ord("L"), b"X\0" + b"a" * 20_000 + b"\0") == Header(b"X", b"a" * 20_000)
