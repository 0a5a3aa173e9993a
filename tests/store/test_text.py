"""Texts as the store keeps them."""

from hypothesis import example, given
from hypothesis import strategies as st

from postward.store.text import MAX_KEY, stored, stored_key

AnyText = st.text(st.characters(codec=None, categories=None), max_size=600)


@given(AnyText)
@example("\udcff\ud800")
@example("x" * 5_000)
@example("a\tb\nc\0d")
def test_a_key_is_short_printable_ascii(text: str) -> None:
    key = stored_key(text)
    assert len(key) <= MAX_KEY
    assert key.isascii()
    assert key.isprintable()


@given(AnyText, AnyText)
@example("x" * 401, "x" * 402)
@example("\\udcff", "\udcff")
@example("a\tb", "a\\tb")
def test_different_texts_have_different_keys(one: str, other: str) -> None:
    assert (stored_key(one) == stored_key(other)) == (one == other)


@given(AnyText, st.integers(1, 50))
def test_a_stored_text_is_bounded_and_spelled_in_utf_8(text: str, most: int) -> None:
    assert len(stored(text, most)) <= most
    stored(text, most).encode("utf-8")


def test_a_plain_text_is_stored_as_it_is() -> None:
    assert stored("plain", 100) == "plain"
    assert (
        stored_key("192.0.2.0/24|a@example.org|b@example.net") == "192.0.2.0/24|a@example.org|b@example.net"
    )
