"""Replies that are made to cost time: none of 16 kB keeps the loop for more than some milliseconds."""

import contextlib
import ipaddress
import struct
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postward.dns import reader, wire
from postward.dns.cache import Cache
from postward.dns.reader import BadReply
from postward.tools import Records, Trouble
from tests.pretend import Clock

KINDS = {"A": wire.A, "AAAA": wire.AAAA, "MX": wire.MX, "NS": wire.NS, "PTR": wire.PTR, "TXT": wire.TXT}
MOST = 0.020
"""Seconds of CPU; a quiet machine needs less than a fourth of that."""
_LONG = b"\1a" * 118 + b"\4evil\7example\0"
_SHORT = b"\4evil\7example\0"
_TO_QUESTION = b"\xc0\x0c"


def _label(number: int) -> bytes:
    return bytes([3, 97 + number % 26, 97 + number // 26 % 26, 97 + number // 676 % 26])


def _rdata(kind: int, number: int, rest: bytes) -> bytes:
    """Another one for each number; names end in `rest`."""
    match kind:
        case wire.A:
            return ipaddress.IPv4Address(0x08000000 + number).packed
        case wire.AAAA:
            return ipaddress.IPv6Address((0x20010DB8 << 96) + number).packed
        case wire.MX:
            return struct.pack(">H", number & 0xFFFF) + _label(number) + rest
        case wire.TXT:
            return b"\2" + _label(number)[1:3]
        case _:
            return _label(number) + rest


def _reply(kind: int, name: bytes, records: Iterator[tuple[bytes, bytes]], size: int) -> bytes:
    """A reply with as many (owner, RDATA) as fit into `size` octets."""
    query = wire.ask(name, kind)
    body, count = b"", 0
    for owner, rdata in records:
        body += owner + struct.pack(">HHIH", kind, 1, 5, len(rdata)) + rdata
        count += 1
        if len(body) > size - 300:
            break
    return query[:2] + b"\x81\x80\0\1" + struct.pack(">H", count) + bytes(4) + wire.question_of(query) + body


def _pointing(kind: int) -> Iterator[tuple[bytes, bytes]]:
    for number in range(10_000):
        yield _TO_QUESTION, _rdata(kind, number, _TO_QUESTION)


def _written_out(kind: int) -> Iterator[tuple[bytes, bytes]]:
    for number in range(10_000):
        yield _TO_QUESTION, _rdata(kind, number, _LONG[8:])


def _strange_owners(kind: int) -> Iterator[tuple[bytes, bytes]]:
    """Each owner points into another label of the long name that was asked for."""
    for number in range(10_000):
        to = 0xC00C + 2 * (number % 118)
        yield to.to_bytes(2, "big"), _rdata(kind, number, to.to_bytes(2, "big"))


def _pointer_chains(kind: int) -> Iterator[tuple[bytes, bytes]]:
    """Each name is one label and a pointer to the name before."""
    at, before = 12 + len(_LONG) + 4, 12
    for number in range(10_000):
        rdata = _rdata(kind, number, (0xC000 | before).to_bytes(2, "big"))
        yield _TO_QUESTION, rdata
        before = at + 12 + (2 if kind == wire.MX else 0)
        at += 12 + len(rdata)


def _many_strings(kind: int) -> Iterator[tuple[bytes, bytes]]:
    yield _TO_QUESTION, bytes(15_000)


MAKERS: list[Callable[[int], Iterator[tuple[bytes, bytes]]]] = [
    _pointing, _written_out, _strange_owners, _pointer_chains, _many_strings,
]  # fmt: skip


def _cost(reply: bytes, kind: int) -> float:
    """The least CPU time of three readings, in seconds."""
    costs = []
    for _ in range(3):
        began = time.process_time()
        with contextlib.suppress(BadReply):
            wire.read(reply, kind)
        costs.append(time.process_time() - began)
    return min(costs)


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
@pytest.mark.parametrize("claimed", [None, 20, 64, 256])
def test_no_reply_takes_long(
    kind: int, maker: Callable[[int], Iterator[tuple[bytes, bytes]]], claimed: int | None
) -> None:
    reply = _reply(kind, _LONG, maker(kind), 16_384)
    if claimed is not None:  # a count that is within what is looked at
        reply = reply[:6] + struct.pack(">H", claimed) + reply[8:]
    assert _cost(reply, kind) < MOST


@pytest.mark.parametrize("behind", [b"\xc0\x0c\0\6", b"\xc0\x0c\0\2", b"\xc0\x0c\0\x29"])
def test_no_denial_takes_long(behind: bytes) -> None:
    query = wire.ask(_LONG, wire.A)
    records = (behind + b"\0\1\0\0\0\5" + struct.pack(">H", 260) + _LONG[:-1] + _SHORT) * 60
    for rcode in (0, 3):
        reply = query[:2] + bytes([0x81, 0x80 | rcode]) + b"\0\1\0\0\xff\xff\xff\xff"
        assert _cost(reply + wire.question_of(query) + records, wire.A) < MOST


@pytest.mark.parametrize("kind", [wire.A, wire.AAAA, wire.MX, wire.NS])
def test_more_records_than_a_host_has_are_trouble(kind: int) -> None:
    reply = _reply(kind, _SHORT, _pointing(kind), 16_384)
    assert wire.read(reply, kind) == Trouble(f"{int.from_bytes(reply[6:8], 'big')} records")


@pytest.mark.parametrize("size", [1_000, 4_096, 16_384])
def test_of_many_names_of_an_address_the_first_ones_count(size: int) -> None:
    reply = _reply(wire.PTR, _SHORT, _pointing(wire.PTR), 20_000)[:size]
    found = wire.read(reply, wire.PTR)
    assert isinstance(found, Records)
    assert found.values == tuple(f"{_label(number)[1:].decode()}.evil.example" for number in range(10))


def test_names_of_an_address_with_nothing_to_see_in_the_first_ones_are_trouble() -> None:
    reply = _reply(wire.PTR, _SHORT, ((_TO_QUESTION, b"\3<x>\0") for _ in range(500)), 16_384)
    assert wire.read(reply, wire.PTR) == Trouble("no name in it is a host name")


def test_names_behind_those_of_others_are_trouble_and_no_denial() -> None:
    others = ((b"\1x\0", _rdata(wire.PTR, number, _SHORT)) for number in range(500))
    reply = _reply(wire.PTR, _SHORT, others, 16_384)
    assert wire.read(reply, wire.PTR) == Trouble(f"{int.from_bytes(reply[6:8], 'big')} records")


@pytest.mark.parametrize(
    "name", [b"\xc0\x0c", b"\1a\xc0\xff", b"\x80", b"\x40", b"\1", b"\xc0", b"", b"\1a" * 127 + b"\1a\0"]
)
def test_a_name_that_is_none(name: bytes) -> None:
    message = reader.Reader(bytes(12) + name)
    with pytest.raises(BadReply):
        message.name(12)


def test_a_name_after_a_pointer_is_the_whole_name() -> None:
    message = reader.Reader(bytes(12) + b"\7Example\0\1A\xc0\x0c\1b\xc0\x15")
    assert message.name(21) == (b"\1a\7example\0", 25)
    assert message.name(25) == (b"\1b\1a\7example\0", 29)
    assert message.name(25) == (b"\1b\1a\7example\0", 29)


def test_a_dot_in_a_label_is_no_end_of_it() -> None:
    assert reader.host(b"\3a.b\7example\0") is None


def test_no_answer_takes_more_of_the_cache_than_it_weighs() -> None:
    cache = Cache(1_000, Clock().monotonic)
    for number in range(200):
        reply = _reply(wire.MX, _LONG[4:], _written_out(wire.MX), 4_096)
        cache.put((wire.MX, str(number)), wire.read(reply, wire.MX))
    assert 0 < len(cache) < 200


@given(st.binary(max_size=600), st.sampled_from(sorted(KINDS.values())), st.data())
def test_no_octets_break_the_reader(tail: bytes, kind: int, data: st.DataObject) -> None:
    counts = data.draw(st.lists(st.integers(0, 80), min_size=3, max_size=3))
    rcode = data.draw(st.integers(0, 15))
    query = wire.ask(_SHORT, kind)
    reply = query[:2] + bytes([0x81, 0x80 | rcode]) + b"\0\1" + struct.pack(">HHH", *counts)
    try:
        wire.read(reply + wire.question_of(query) + tail, kind)
    except BadReply as error:
        assert str(error).isprintable()


@given(st.sampled_from(sorted(KINDS.values())), st.sampled_from(MAKERS), st.data())
def test_no_damage_breaks_the_reader(
    kind: int, maker: Callable[[int], Iterator[tuple[bytes, bytes]]], data: st.DataObject
) -> None:
    reply = bytearray(_reply(kind, _LONG, maker(kind), 1_500))
    for _ in range(data.draw(st.integers(0, 12))):
        reply[data.draw(st.integers(2, len(reply) - 1))] = data.draw(st.integers(0, 255))
    try:
        wire.read(bytes(reply[: data.draw(st.integers(0, len(reply)))]), kind)
    except BadReply as error:
        assert str(error).isprintable()
