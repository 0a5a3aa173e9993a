"""Framing: octets to packets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milters.wire import MAX_PACKET, Decoder, ProtocolError, packet

PACKETS = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=40)), max_size=8)


@given(PACKETS, st.data())
def test_any_cut_gives_the_same_packets(packets, data):
    stream = b"".join(packet(*each) for each in packets)
    decoder, found, at = Decoder(), [], 0
    while at < len(stream):
        size = data.draw(st.integers(1, len(stream) - at))
        found += decoder.feed(stream[at : at + size])
        at += size
    assert found == packets
    assert not decoder.inside


@pytest.mark.parametrize("length", [0, MAX_PACKET + 1, 2**31, 2**32 - 1])
def test_an_impossible_length_is_refused_as_soon_as_it_is_there(length):
    decoder = Decoder()
    with pytest.raises(ProtocolError, match=str(length)):
        decoder.feed(length.to_bytes(4, "big"))


def test_an_impossible_length_is_refused_octet_by_octet():
    decoder = Decoder()
    for octet in b"\xff\xff\xff":
        assert decoder.feed(bytes([octet])) == []
    with pytest.raises(ProtocolError):
        decoder.feed(b"\xff")


def test_the_largest_packet_passes():
    stream = packet(66, b"x" * (MAX_PACKET - 1))
    decoder = Decoder()
    assert decoder.feed(stream[:-1]) == []
    assert decoder.inside
    assert decoder.feed(stream[-1:]) == [(66, b"x" * (MAX_PACKET - 1))]


@given(st.binary(max_size=200))
def test_any_octets_give_packets_or_a_protocol_error(octets):
    decoder = Decoder()
    try:
        packets = decoder.feed(octets)
    except ProtocolError:
        return
    assert sum(5 + len(payload) for _, payload in packets) <= len(octets)
