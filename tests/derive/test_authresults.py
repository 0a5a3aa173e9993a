"""Authentication-Results: whose a field is, and what we write."""

import re

import authres
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postward.derive.authresults import MAX_VALUE, Property, Result, authserv_id_of, write

OURS = "mx.example.org"


@pytest.mark.parametrize(
    "value",
    [
        b"mx.example.org; spf=pass",
        b" mx.example.org",
        b"MX.Example.ORG; none",
        b"mx.example.org.; none",
        b"mx.example.org 1; none",
        b"mx.example.org\t99 ; none",
        b"(a comment) mx.example.org; none",
        b"(nested (comment) \\) still) mx.example.org (x) 1 (y); none",
        b'"mx.example.org"; none',
        b'"mx.\\example.org" 1; none',
        b'" mx.example.org "; none',
        b"\r\n\tmx.example.org;\r\n\tspf=pass",
        b'"mx.example\r\n.org"; none',
        b"mx.example.org(1)1;none",
    ],
)
def test_every_spelling_of_an_id_is_read(value):
    assert authserv_id_of(value) == OURS


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"   ",
        b"; spf=pass",
        b"(unfinished mx.example.org; none",
        b'"unfinished; none',
        b'""; none',
        b"mx.example.org/1; none",
        b"mx.example.org spf=pass",
        b"mx.example.org 1 2; none",
        b"spf=pass (sender IP is 192.0.2.1)",
        b"\xffmx.example.org; none",
        b"mx.example.org\x00; none",
        b"@mx.example.org; none",
        b"(" * 100_000,
        b" " * 100_000 + b"mx.example.org; none",
    ],
)
def test_what_has_no_clear_id_has_none(value):
    assert authserv_id_of(value) is None


def test_another_id_is_told():
    assert authserv_id_of(b"other.example; mx.example.org=pass") == "other.example"


@given(st.binary(max_size=300))
def test_any_octets_are_read_without_an_exception(value):
    found = authserv_id_of(value)
    assert found is None or found == found.lower()


def test_no_results():
    assert write(OURS, []) == "mx.example.org; none"


def test_an_address_stands_bare():
    spf = Result("spf", "pass", properties=(Property("smtp", "mailfrom", "a.b+c@example.org"),))
    assert write(OURS, [spf]) == "mx.example.org; spf=pass smtp.mailfrom=a.b+c@example.org"


def test_a_reason_is_quoted():
    assert write(OURS, [Result("spf", "fail", 'he said "no"')]) == (
        'mx.example.org; spf=fail reason="he said \\"no\\""'
    )


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "é@example.org", "a" * (MAX_VALUE + 1), "\udcff", "a\0"])
def test_what_cannot_be_said_is_left_out(value):
    found = Result("spf", "pass", value, (Property("smtp", "mailfrom", value),))
    assert write(OURS, [found]) == "mx.example.org; spf=pass"


@pytest.mark.parametrize(
    "sender",
    [
        "(any@legit.example",
        '"a;dkim=pass"@x.example',
        "a b@x",
        "a@b;dmarc=pass",
        "a@b(c",
        'x"y@z',
        "a\\b@c",
        "@x",
    ],
)
def test_a_crafted_sender_adds_no_result(sender):
    """THREATS A4, CVE-2020-12272."""
    written = write(OURS, [Result("spf", "none", properties=(Property("smtp", "mailfrom", sender),))])
    assert [each.method for each in parsed(written)] == ["spf"]


VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60)
WORDS = st.sampled_from(["pass", "fail", "none", "temperror"])


@given(st.lists(st.tuples(WORDS, VALUES, VALUES), max_size=4))
def test_what_is_written_is_read_back(found):
    results = [Result("spf", word, why, (Property("smtp", "mailfrom", of),)) for word, why, of in found]
    read = [
        (each.result, unquoted(each.reason), [unquoted(part.value) for part in each.properties])
        for each in parsed(write(OURS, results))
    ]
    assert read == [(word, why or None, [of] if of else []) for word, why, of in found]


@given(st.text(max_size=500), st.text(max_size=500))
def test_nothing_that_we_write_breaks_a_line(why, of):
    written = write(OURS, [Result("spf", "pass", why, (Property("smtp", "helo", of),))])
    assert written.isascii()
    assert written.isprintable()
    assert authserv_id_of(written.encode()) == OURS


def parsed(value):
    return authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {value}").results


def unquoted(text):
    """authres leaves quoted pairs as they are."""
    return re.sub(r"\\(.)", r"\1", text) if text else text
