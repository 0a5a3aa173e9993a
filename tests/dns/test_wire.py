"""DNS messages without a network: questions as written, replies as read, garbage refused."""

import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postward.dns import wire
from postward.tools import NoData, NoName, Records, Trouble


def _reply(*answers: str, kind: str = "A", rcode: int = 0, authority: str = "") -> bytes:
    message = dns.message.make_response(dns.message.make_query("a.example.", kind))
    message.set_rcode(dns.rcode.Rcode.make(rcode))
    for text in answers:
        name, of_kind, value = text.split(" ", 2)
        message.answer.append(dns.rrset.from_text(name, 300, "IN", of_kind, value))
    if authority:
        message.authority.append(dns.rrset.from_text("example.", 900, "IN", "SOA", authority))
    return message.to_wire(max_size=65_535)


def test_a_name_is_written_label_by_label() -> None:
    assert wire.encode_name("mx.example") == b"\x02mx\x07example\0"


@pytest.mark.parametrize(
    "name",
    ["", ".", "a..b", "a\0.b", "a\x1f.b", "ä.example", "\udcff.example", "x" * 64 + ".b", "a." * 127 + "ab"],
)
def test_an_impossible_name_is_refused(name: str) -> None:
    assert wire.encode_name(name) is None


def test_a_name_of_255_octets_is_written() -> None:
    assert len(wire.encode_name("a." * 126 + "a") or b"") == 255


def test_a_backslash_stands_for_itself() -> None:
    assert wire.encode_name("a\\000") == b"\x05a\\000\0"


def test_a_question_is_one_that_others_can_read() -> None:
    name = wire.encode_name("mx.example")
    assert name is not None
    query = dns.message.from_wire(wire.ask(name, wire.MX))
    assert query.question[0].to_text().lower() == "mx.example. in mx"
    assert query.payload == wire.MAX_UDP
    assert query.edns == 0


def test_questions_differ_in_id_and_case() -> None:
    name = wire.encode_name("abcdefghijklmnopqrstuvwxyz.example")
    assert name is not None
    queries = {wire.ask(name, wire.A) for _ in range(50)}
    assert len({query[:2] for query in queries}) > 40
    assert len({wire.question_of(query) for query in queries}) > 40
    assert len({wire.question_of(query).lower() for query in queries}) == 1


def test_a_reply_to_another_id_is_none() -> None:
    query = wire.ask(b"\x01a\0", wire.A)
    reply = dns.message.make_response(dns.message.from_wire(query)).to_wire()
    assert wire.replies_to(reply, query)
    assert not wire.replies_to(bytes([reply[0] ^ 1]) + reply[1:], query)


def test_the_query_itself_is_no_reply() -> None:
    query = wire.ask(b"\x01a\0", wire.A)
    assert not wire.replies_to(query, query)


def test_records_carry_the_shortest_time_of_their_chain() -> None:
    reply = _reply("a.example. CNAME b.example.", "b.example. A 192.0.2.1")
    assert wire.read(reply, wire.A) == Records(("192.0.2.1",), 300)


def test_a_denial_lives_as_long_as_the_soa_says() -> None:
    reply = _reply(rcode=3, authority="ns. admin. 1 2 3 4 60")
    assert wire.read(reply, wire.A) == NoName(60)


def test_a_denial_of_data_is_kept_apart_from_that_of_the_name() -> None:
    reply = _reply(authority="ns. admin. 1 2 3 4 60")
    assert wire.read(reply, wire.A) == NoData(60)


def test_an_alias_without_its_target_is_to_be_followed() -> None:
    assert wire.read(_reply("a.example. CNAME b.example."), wire.A) == wire.Alias(b"\x01b\x07example\0", 300)


def test_an_alias_to_nothing_is_no_data() -> None:
    reply = _reply("a.example. CNAME b.example.", authority="ns. admin. 1 2 3 4 60")
    assert wire.read(reply, wire.A) == NoData(60)


def test_a_circle_of_aliases_is_trouble() -> None:
    reply = _reply("a.example. CNAME b.example.", "b.example. CNAME a.example.")
    assert isinstance(wire.read(reply, wire.A), Trouble)


def test_records_of_other_names_are_not_taken() -> None:
    assert isinstance(wire.read(_reply("evil.example. A 192.0.2.66"), wire.A), NoData)


def test_names_come_back_in_lower_case() -> None:
    found = wire.read(_reply("a.example. PTR Mx.Example.", kind="PTR"), wire.PTR)
    assert isinstance(found, Records)
    assert found.values == ("mx.example",)


@pytest.mark.parametrize("name", ["a\\000.example.", "\\255.example.", "<script>.example.", "a\\.b.example."])
def test_what_no_host_is_called_is_left_out(name: str) -> None:
    found = wire.read(_reply("a.example. PTR mx.example.", f"a.example. PTR {name}", kind="PTR"), wire.PTR)
    assert isinstance(found, Records)
    assert found.values == ("mx.example",)
    found = wire.read(_reply(f"a.example. MX 1 {name}", "a.example. MX 2 mx.example.", kind="MX"), wire.MX)
    assert isinstance(found, Records)
    assert found.values == ((2, "mx.example"),)


@pytest.mark.parametrize(("kind", "number"), [("PTR", wire.PTR), ("MX", wire.MX)])
def test_hosts_that_none_is_are_trouble(kind: str, number: int) -> None:
    preference = "1 " if kind == "MX" else ""
    found = wire.read(_reply(f"a.example. {kind} {preference}<script>.example.", kind=kind), number)
    assert found == Trouble("no name in it is a host name")


def test_a_null_mx_stays() -> None:
    found = wire.read(_reply("a.example. MX 0 .", kind="MX"), wire.MX)
    assert isinstance(found, Records)
    assert found.values == ((0, "."),)


def test_a_referral_is_no_denial() -> None:
    reply = dns.message.make_response(dns.message.make_query("a.example.", "MX"))
    reply.authority.append(dns.rrset.from_text("example.", 300, "IN", "NS", "ns.example."))
    assert wire.read(reply.to_wire(), wire.MX) == Trouble("a referral in place of an answer")


def test_a_thousand_names_of_an_address_are_cut() -> None:
    reply = _reply(*(f"a.example. PTR h{number}.example." for number in range(1000)), kind="PTR")
    found = wire.read(reply, wire.PTR)
    assert isinstance(found, Records)
    assert len(found.values) == wire.MAX_HOSTS


def test_mail_exchangers_are_sorted() -> None:
    reply = _reply("a.example. MX 20 b.example.", "a.example. MX 10 C.example.", kind="MX")
    assert wire.read(reply, wire.MX) == Records(((10, "c.example"), (20, "b.example")), 300)


def test_text_keeps_its_strings_apart() -> None:
    reply = _reply('a.example. TXT "v=spf1" " -all"', kind="TXT")
    assert wire.read(reply, wire.TXT) == Records(((b"v=spf1", b" -all"),), 300)


@given(st.binary(max_size=300), st.sampled_from([wire.A, wire.AAAA, wire.PTR, wire.MX, wire.TXT]))
def test_no_reply_breaks_the_reader(tail: bytes, kind: int) -> None:
    query = wire.ask(b"\x01a\x07example\0", kind)
    reply = query[:2] + b"\x81\x80\0\x01\0\x03\0\x01\0\0" + wire.question_of(query) + tail
    assert wire.replies_to(reply, query)
    try:
        wire.read(reply, kind)
    except wire.BadReply as error:
        assert str(error).isprintable()


@given(st.data())
def test_no_damage_to_a_good_reply_breaks_the_reader(data: st.DataObject) -> None:
    reply = bytearray(_reply("a.example. CNAME b.example.", "b.example. MX 1 c.example.", kind="MX"))
    for _ in range(data.draw(st.integers(1, 8))):
        reply[data.draw(st.integers(12, len(reply) - 1))] = data.draw(st.integers(0, 255))
    try:
        wire.read(bytes(reply), wire.MX)
    except wire.BadReply as error:
        assert str(error).isprintable()


@given(st.binary(max_size=60))
def test_any_octets_can_be_held_against_a_question(reply: bytes) -> None:
    assert not wire.replies_to(reply, wire.ask(b"\x01a\0", wire.A)) or len(reply) > 12
