"""Who wrote it: honest From fields are read, forged ones are not."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postward.address import Address
from postward.derive.author import (
    MAX_AUTHORS,
    MAX_FIELDS,
    Authors,
    Unparsable,
    _check_display_name,
    _Token,
    authors,
    parse_from,
)
from postward.mail import HeaderField, Mail
from postward.stage import Stage
from tests.pretend import tools


def _authors(*fields: tuple[bytes, bytes]) -> Authors:
    headers = tuple(HeaderField(name, value) for name, value in fields)
    return asyncio.run(authors(Mail().learn(Stage.EOM, headers=headers), tools()))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b" a@b.org", ["a@b.org"]),
        (b" <a@b.org>", ["a@b.org"]),
        (b" Alice <a@b.org>", ["a@b.org"]),
        (b' "Alice, A." <a@B.Org.>', ["a@b.org"]),
        (b"\r\n Alice\r\n\t<a@b.org>", ["a@b.org"]),
        (b" A (x (y) \\) <z@z.z>) <a@b.org> (end)", ["a@b.org"]),
        (b" J. D. Smith <a@b.org>", ["a@b.org"]),
        (b' "q\\"uoted" <a@b.org>', ["a@b.org"]),
        (b" =?utf-8?q?J=C3=B6rg?= <a@b.org>", ["a@b.org"]),
        (b" =?utf-8?q?a,b@c?= <a@b.org>", ["a@b.org"]),
        (b" J\xf6rg <a@b.org>", ["a@b.org"]),
        ("  Jörg <jörg@bücher.example>".encode(), ["jörg@xn--bcher-kva.example"]),
        (b' "ceo@legit.example" <x@evil.example>', ["x@evil.example"]),
        (b" a@b.org <a@b.org>", ["a@b.org"]),
        (b" Sales @ Corp <a@b.org>", ["a@b.org"]),
        (b" a@b.org, c@d.org", ["a@b.org", "c@d.org"]),
        (b" , a@b.org ,, c@d.org,", ["a@b.org", "c@d.org"]),
        (b" team: a@b.org, C <c@d.org>;", ["a@b.org", "c@d.org"]),
        (b" undisclosed:;", []),
        (b"", []),
        (b" (nobody)", []),
        (b" O'Brien, John <a@b.org>", ["a@b.org"]),
        (b' "a b"@b.org', ["a b@b.org"]),
        (b" a@[192.0.2.1]", ["a@[192.0.2.1]"]),
        (b" a @ b . org", ["a@b.org"]),
        (b" a..b.@b.org", ["a..b.@b.org"]),
    ],
)
def test_honest_fields_are_read(value: bytes, found: list[str]) -> None:
    assert [each.text for each in parse_from(value)] == found


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (b" <a@x.example>b@y.example", "something after an address in angle brackets"),
        (b" <a@x.example> <b@y.example>", "something after an address in angle brackets"),
        (b" <@r.example:a@x.example>", "a ':' in angle brackets"),
        (b" <@r.example,@s.example:a@x.example>", "a ',' in angle brackets"),
        (b" a@b@c.example", "more than one '@' in an address"),
        (b" a@b.example\r\n c@d.example", "more than one '@' in an address"),
        (b" ceo@legit.example <x@evil.example>", "another address before the one in angle brackets"),
        (b" ceo @ legit.example <x@evil.example>", "another address before the one in angle brackets"),
        (b" =?utf-8?q?a=40b.example?=", "no address"),
        (b" <=?utf-8?q?a?=@b.example>", "an encoded word or quoted pair in an address"),
        (b" a@=?utf-8?q?b.example?=", "an address with something else in it"),
        (b' "a\\"b"@c.example', "an encoded word or quoted pair in an address"),
        (b" a\\@x@y.example", "a stray '\\\\'"),
        (b" a\0@b.example", "a stray '\\x00'"),
        (b' "a\0b" <a@b.example>', "a NUL"),
        (b" (a\0b) <a@b.example>", "a NUL"),
        (b" a\x07@b.example", "a stray '\\x07'"),
        (b" a@\xf6.example", "a domain that cannot be one"),
        ("a@legit.example\u2000".encode(), "a domain that cannot be one"),
        (b" a@b_.-\xe2\x80\xae.example", "a domain that cannot be one"),
        (b" a@b..example", "an empty label in a domain"),
        (b" @b.example", "half an address"),
        (b" a@", "half an address"),
        (b" Foo <>", "no address"),
        (b" foo", "no address"),
        (b" foo bar@x.example", "an address with something else in it"),
        (b" <a@b.example", "a '<' without '>'"),
        (b" a@b.example>", "a stray '>'"),
        (b" <<a@b.example>", "a '<' in angle brackets"),
        (b' "a <a@b.example>', "a quoted string without end"),
        (b" (a <a@b.example>", "a comment without end"),
        (b" a@b.example;", "a stray ';'"),
        (b" a: b: c@d.example;", "a stray ':'"),
        (b" x@y.example: c@d.example;", "a stray ':'"),
        (b" team: a@b.example", "a group without end"),
        (b" " + b"(" * 30 + b")" * 30 + b"a@b.example", "comments nested too deep"),
        (b" a@b.example" + b" " * 70_000, "longer than 65536 octets"),
        (b" a@b.example," * 200, f"more than {MAX_AUTHORS} authors"),
        (b" a" * 20_000, "more than 10000 words"),
    ],
)
def test_what_could_be_read_in_two_ways_is_not_read(value: bytes, problem: str) -> None:
    with pytest.raises(Unparsable) as caught:
        parse_from(value)
    assert str(caught.value) == problem


@pytest.mark.parametrize("name", [b"From", b"from", b"FROM", b"From ", b" From", b"From\t"])
def test_every_spelling_of_the_name_counts(name: bytes) -> None:
    assert _authors((name, b" a@b.org")).fields == 1


@pytest.mark.parametrize("name", [b"Sender", b"Resent-From", b"Reply-To", b"X-From", b"Fr\0om"])
def test_other_fields_name_no_author(name: bytes) -> None:
    assert _authors((name, b" a@b.org")) == Authors(0)


def test_all_from_fields_are_read() -> None:
    found = _authors((b"From", b" a@b.org"), (b"Subject", b" x"), (b"From", b" c@d.org"))
    assert found.fields == 2
    assert found.domains == ("b.org", "d.org")


def test_domains_are_told_once() -> None:
    assert _authors((b"From", b" a@b.org, c@B.org, d@e.org")).domains == ("b.org", "e.org")


def test_a_broken_field_says_why() -> None:
    found = _authors((b"From", b" a@b.org"), (b"From", b" <a"))
    assert (found.fields, found.problem) == (2, "a '<' without '>'")


def test_ten_thousand_fields_are_bounded() -> None:
    found = _authors(*[(b"From", b" a@b.org")] * 10_000)
    assert (found.fields, len(found.addresses)) == (10_000, MAX_FIELDS)
    assert found.problem == f"more than {MAX_FIELDS} From fields"


def test_thousands_of_ats_before_an_address_are_looked_at_once() -> None:
    looked_at = 0

    class Counted(list[_Token]):
        def __iter__(self) -> Iterator[_Token]:
            nonlocal looked_at
            for token in list.__iter__(self):
                looked_at += 1
                yield token

    at, word = _Token("@", "@"), _Token("atom", "a")
    _check_display_name(Counted([word, at] * 3_000), Address("a@b.org", "a", "b.org"))
    assert looked_at == 6_000


_BITS = [
    *(
        b'"',
        b"(",
        b"(a",
        b"()",
        b"(\\)",
        b"\\",
        b"<",
        b"[",
        b"[a",
        b":",
        b".",
        b",",
        b"@",
        b"a ",
        b'"a" ',
        b'"\\a',
    ),
    *(
        b" a@b",
        b"a@a.",
        b" @ a.",
        b"a@b.org,",
        b"a:;",
        b"=?",
        b"=?a?q?",
        b"=?a?q?x?=",
        b"\r\n ",
        "ü.".encode(),
    ),
]


@pytest.mark.parametrize("end", [b"", b"<a@b.org>", b"@b.org", b'"', b")", b">"])
@pytest.mark.parametrize("bit", _BITS)
@pytest.mark.parametrize("octets", [65_000, 100_000])
def test_hostile_fields_cost_little(bit: bytes, end: bytes, octets: int) -> None:
    value = b" " + bit * (octets // len(bit)) + end
    began = time.process_time()
    _authors((b"From", value))
    assert time.process_time() - began < 0.6  # a third of it on an idle machine; quadratic work takes seconds


@given(st.binary(max_size=200))
def test_no_octets_break_it(value: bytes) -> None:
    assert _authors((b"From", value)).fields == 1


@given(st.text('ab@.,;:<>()[]"\\ =?\t\r\n\0ü', max_size=60))
def test_no_syntax_breaks_it(value: str) -> None:
    found = _authors((b"From", value.encode()))
    assert all(each.domain for each in found.addresses)
    assert found.problem.isprintable()
