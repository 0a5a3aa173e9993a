"""Envelope addresses: the same domain at both doors, never another's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postward import address
from postward.address import MAX_ADDRESS, NULL, normal_domain, parse


@pytest.mark.parametrize(
    ("policyd", "milter", "local", "domain"),
    [
        ("alice@example.org", "<alice@example.org>", "alice", "example.org"),
        ("Alice@EXAMPLE.ORG", "<Alice@EXAMPLE.ORG>", "Alice", "example.org"),
        ("alice@example.org.", "<alice@example.org.>", "alice", "example.org"),
        ("a b@example.org", '<"a b"@example.org>', "a b", "example.org"),
        ("alice@example.org", "<@a.example,@b.example:alice@example.org>", "alice", "example.org"),
        ("alice@[192.0.2.1]", "<alice@[192.0.2.1]>", "alice", "[192.0.2.1]"),
        ("a@[IPv6:2001:db8::1]", "<a@[IPv6:2001:DB8:0::1]>", "a", "[IPv6:2001:db8::1]"),
        ("alice@bücher.example", "<alice@xn--bcher-kva.example>", "alice", "xn--bcher-kva.example"),
        ("a%b@example.org", "<a%b@example.org>", "a%b", "example.org"),
    ],
)
def test_both_doors_read_the_same(policyd: str, milter: str, local: str, domain: str) -> None:
    for raw in (policyd, milter):
        address = parse(raw)
        assert (address.local, address.domain, address.problem) == (local, domain, "")


@pytest.mark.parametrize("raw", ["", "<>", " <> ", "  "])
def test_the_null_address(raw: str) -> None:
    assert parse(raw) == NULL
    assert parse(raw).is_null


@pytest.mark.parametrize(
    ("raw", "domain"),
    [
        ('<"@legit.example"@attack.example>', "attack.example"),
        ('<"a@legit.example b"@attack.example>', "attack.example"),
        (r'<"a\"@legit.example"@attack.example>', "attack.example"),
        ("<a@legit.example@attack.example>", "attack.example"),
    ],
)
def test_the_last_at_outside_of_quotes_counts(raw: str, domain: str) -> None:
    assert parse(raw).domain == domain


@pytest.mark.parametrize(
    "raw",
    [
        "<any@legit.example(.attack.example>",
        "<any@(legit.example>",
        "<a@b c>",
        "<a@b\x00.example>",
        "<a@-,.example>",
        "<a@a..example>",
        "<a@.example>",
        "<a@>",
        f"<a@{'x' * 64}.example>",
        f"<a@{'x.' * 128}example>",
        "<a@[192.0.2.256]>",
        "<a@[192.0.2.1>",
        "<a@[IPv6:nonsense]>",
        "<a@legit.com\u2000>",
        "<a@\udcff.example>",
    ],
)
def test_what_cannot_be_a_domain_is_none(raw: str) -> None:
    address = parse(raw)
    assert address.domain is None
    assert address.problem


def test_a_route_to_nobody_is_not_the_null_address() -> None:
    address = parse("<@a.example:>")
    assert (address.is_null, address.domain, address.problem) == (False, None, "no domain")


@pytest.mark.parametrize("raw", ["alice", "<alice>", '<"alice@example.org">'])
def test_an_address_without_a_domain(raw: str) -> None:
    assert (parse(raw).domain, parse(raw).problem) == (None, "no domain")


def test_an_empty_local_part_is_a_problem() -> None:
    assert parse("<@example.org>").problem == "empty local part"


def test_an_address_that_is_too_long_is_cut() -> None:
    address = parse("a" * 5_000 + "@example.org")
    assert (len(address.text), address.domain, address.problem) == (MAX_ADDRESS, None, "address too long")


def test_a_literal_is_told_from_a_name() -> None:
    assert parse("a@[192.0.2.1]").has_literal
    assert not parse("a@example.org").has_literal
    assert not parse("a").has_literal


def test_quoted_pairs_are_undone() -> None:
    assert parse(r'<"a\"b\\c"@example.org>').local == r'a"b\c'


def test_its_text_is_what_the_client_sent() -> None:
    assert str(parse("<Alice@Example.ORG>")) == "Alice@Example.ORG"


@given(st.text(st.characters(codec=None), max_size=300))
def test_nothing_is_raised_for_any_text(raw: str) -> None:
    address = parse(raw)
    assert address.domain is None or address.domain == normal_domain(address.domain)


@given(st.text(st.sampled_from('<>"@\\:,.[]ab '), max_size=40))
def test_nothing_is_raised_for_any_text_in_its_letters(raw: str) -> None:
    address = parse(raw)
    assert address.domain is None or normal_domain(address.domain) == address.domain


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("Example.ORG", "example.org"),
        ("example.org.", "example.org"),
        ("_dmarc.example.org", "_dmarc.example.org"),
        ("localhost", "localhost"),
        ("ÜBER.example", "xn--ber-goa.example"),
        ("", None),
        (".", None),
        ("example.org..", None),
        ("[]", None),
    ],
)
def test_normal_domains(name: str, normal: str | None) -> None:
    assert normal_domain(name) == normal


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("straße.example", "xn--strae-oqa.example"),  # RFC 5894 7.2: not strasse.example
        ("βόλος.example", "xn--nxasmm1c.example"),
        ("STRAẞE.example", "xn--strae-oqa.example"),
        ("\uff42\uff41\uff44.example", "bad.example"),
        ("bad。example", "bad.example"),
        ("straße。example", "xn--strae-oqa.example"),
        ("legit.example\u2000", None),
        ("le\u200dgit.example", None),
        ("ß b.example", None),
        (".".join(["é"] * 100), None),  # 700 octets in ASCII
    ],
)
def test_a_name_never_becomes_the_name_of_another_owner(name: str, domain: str | None) -> None:
    assert normal_domain(name) == domain


def test_what_is_too_long_is_not_kept() -> None:
    before = address._parse.cache_info().currsize
    assert parse("a" * (MAX_ADDRESS + 1)).problem == "address too long"
    assert address._parse.cache_info().currsize == before
