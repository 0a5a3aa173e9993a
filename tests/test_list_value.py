"""Values of lists: what they mean, and what a wrong one was meant to be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postward.list_value import BadEntry, is_wide, meaning


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("AS64500", "as64500"),
        ("example.org", "EXAMPLE.org."),
        (".example.org", ".Example.Org"),
        ("2001:db8::", "2001:DB8:0::/128"),
        ("192.0.2.1", "192.0.2.1/32"),
        ("Alice@Example.org", "alice@example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        (" 192.0.2.1 ", "192.0.2.1"),
    ],
)
def test_the_same_however_it_is_written(one: str, other: str) -> None:
    assert meaning(one) == meaning(other)


def test_kinds_are_told_apart() -> None:
    values = ["AS1", "as.org", ".as.org", "as@as.org", "as@", "192.0.2.1"]
    kinds = [meaning(value).kind for value in values]
    assert kinds == ["asn", "name", "below", "address", "local", "network"]


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("192.0.2.1/24", "; its network is 192.0.2.0/24"),
        ("2001:db8::1/32", "; its network is 2001:db8::/32"),
        ("*.example.org", "; write .example.org for all names below it"),
        (
            "https://www.example.org/a?b",
            "; write www.example.org, or .www.example.org for all names below it",
        ),
        ("http://alice@example.org:80/", "; write example.org, or .example.org"),
        ("mailto:alice@example.org", "; write alice@example.org"),
        ("Alice <alice@example.org>", "; write alice@example.org"),
        ("@example.org", "; write example.org for all addresses at it"),
        ("64500", "; write AS64500"),
        ("ASN64500", "; write AS64500"),
        ("AS 64500", "; write AS64500"),
        ("AS1.10", "; write AS65546"),
        ("192.0.2.", "; write 192.0.2.0/24"),
        ("192.0.2.*", "; write 192.0.2.0/24"),
        ("10.*.*.*", "; write 10.0.0.0/8"),
        ("192.0.2.0-192.0.3.255", "; write 192.0.2.0/23"),
        ("192.0.2.1-192.0.2.250", "; write its networks such as"),
        ("[192.0.2.1]", "; write 192.0.2.1"),
        ("[IPv6:2001:db8::1]", "; write 2001:db8::1"),
        ("192.0.2.1:25", "; write 192.0.2.1"),
        ("::ffff:192.0.2.1", "; write 192.0.2.1"),
        ("::ffff:192.0.2.0/120", "; write 192.0.2.0/24"),
        ("a.org, b.org", "; write one value an entry"),
        ("a.org,b.org", "; write one value an entry"),
        ("b\u200dücher.example", "; write the name as it stands in the DNS (xn--...)"),
    ],
)
def test_a_wrong_value_is_told_what_was_meant(value: str, hint: str) -> None:
    with pytest.raises(BadEntry) as caught:
        meaning(value)
    assert hint in str(caught.value)


@pytest.mark.parametrize("value", ["", ".", "AS0", "AS4294967296", "1.2.3.4.5", "a..b", "a@b@", "a" * 513])
def test_nonsense_is_refused(value: str) -> None:
    with pytest.raises(BadEntry):
        meaning(value)


@pytest.mark.parametrize(
    ("value", "wide"),
    [
        ("AS64500", True),
        ("10.0.0.0/15", True),
        ("10.0.0.0/16", False),
        ("2001:db8::/31", True),
        ("2001:db8::/32", False),
        (".com", False),
    ],
)
def test_a_whole_provider(value: str, wide: bool) -> None:
    assert is_wide(meaning(value)) is wide


@given(st.text(st.sampled_from("aAsS01.:/@*-[]<> ,%ü。\u200d"), max_size=24))
def test_any_text_means_something_or_is_refused(value: str) -> None:
    try:
        found = meaning(value)
    except BadEntry as error:
        assert str(error)
    else:
        assert found.kind in ("network", "asn", "name", "below", "address", "local")
