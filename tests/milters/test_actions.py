"""Replies and changes: encoded, decoded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milters.actions import (
    BODY_CHUNK,
    CONTINUE,
    ChangeHeader,
    DeleteRecipient,
    InsertHeader,
    Negotiated,
    PutOnHold,
    ReplaceBody,
    Reply,
    ReplyCode,
    body_chunks,
    decode,
    encode,
    encode_answer,
)
from milters.wire import Decoder, ProtocolError

LINE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60)
WORD = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20)
NUMBER = st.integers(0, 2**32 - 1)
ACTIONS = st.one_of(
    st.sampled_from(Reply),
    st.builds(ReplyCode, st.integers(400, 599), WORD, LINE),
    st.builds(Negotiated, NUMBER, NUMBER, NUMBER, st.lists(st.tuples(NUMBER, LINE), max_size=3).map(tuple)),
    st.builds(InsertHeader, NUMBER, WORD, LINE),
    st.builds(ChangeHeader, NUMBER, WORD, LINE),
    st.builds(DeleteRecipient, st.binary(max_size=30).filter(lambda octets: b"\0" not in octets)),
    st.builds(ReplaceBody, st.binary(min_size=1)),
    st.builds(PutOnHold, LINE),
)


@given(ACTIONS)
def test_what_is_encoded_is_decoded(action):
    assert decode(*encode(action)) == action


def test_a_per_cent_sign_is_doubled_on_the_wire():
    assert encode(ReplyCode(550, "5.7.1", "100% no")) == (ord("y"), b"550 5.7.1 100%% no\0")


def test_an_answer_is_its_packets_in_order():
    answer = (InsertHeader(0, "X", " 1"), Reply.CONTINUE)
    assert [decode(*each) for each in Decoder().feed(encode_answer(answer))] == list(answer)


def test_continue_alone_is_the_same_packet():
    assert encode_answer(CONTINUE) == encode_answer((Reply.CONTINUE,)) == b"\0\0\0\1c"


def test_text_with_nul_is_a_mistake_of_ours():
    with pytest.raises(ValueError, match="NUL"):
        encode(InsertHeader(0, "X", "a\0b"))


def test_an_empty_body_is_one_empty_piece():
    assert list(body_chunks(b"")) == [ReplaceBody(b"")]


def test_a_long_body_is_cut_and_complete():
    body = bytes(range(256)) * 1_000
    chunks = [each.chunk for each in body_chunks(body)]
    assert b"".join(chunks) == body
    assert max(map(len, chunks)) == BODY_CHUNK


@given(st.integers(0, 255), st.binary(max_size=60))
def test_any_packet_is_an_action_or_a_protocol_error(command, payload):
    try:
        action = decode(command, payload)
    except ProtocolError:
        return
    assert encode(action)[0] == command
