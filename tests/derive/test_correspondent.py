"""Keys of correspondents."""

import pytest

from postward.address import Address, parse
from postward.derive.correspondent import any_key, is_ours, pair_key

OURS, THEIRS = parse("alice@example.org"), parse("bob@example.net")


def test_a_pair_has_one_key_whatever_the_case_and_our_tag() -> None:
    assert pair_key(THEIRS, OURS) == "correspondent bob@example.net|alice@example.org"
    assert pair_key(parse("BOB@Example.NET"), parse("Alice+shop@example.org")) == pair_key(THEIRS, OURS)


def test_their_tag_is_part_of_their_address() -> None:
    assert any_key(parse("bob+x@example.net")) != any_key(THEIRS)


def test_a_local_part_that_is_a_tag_alone_stays() -> None:
    assert pair_key(THEIRS, parse("+x@example.org")) == "correspondent bob@example.net|+x@example.org"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "postmaster",
        '"a|b"@example.net',
        '"a b"@example.net',
        '"a\x01b"@example.net',
        "a" * 400 + "@b.example",
    ],
)
def test_what_a_key_cannot_hold_has_none(text: str) -> None:
    odd: Address = parse(text)
    assert (any_key(odd), pair_key(odd, OURS), pair_key(THEIRS, odd)) == ("", "", "")


def test_who_is_ours() -> None:
    own = frozenset({"example.org"})
    assert is_ours(OURS, own)
    assert not is_ours(THEIRS, own)
