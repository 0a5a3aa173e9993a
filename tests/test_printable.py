"""Text from mail, made fit for a terminal and a log."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postward.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("Grüße 漢字", "Grüße 漢字"),
        ("a\r\nb", "a\\r\\nb"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\x9b31m", "\\x9b31m"),
        ("abc\u202ecba", "abc\\u202ecba"),
        ("\udcff", "\\udcff"),
        ("\u2028", "\\u2028"),
    ],
)
def test_what_does_more_than_show_itself_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_long_text_is_cut() -> None:
    assert printable("x" * 1000, 10) == "xxxxxxx..."


@given(st.text(alphabet=st.characters(categories=None)))
def test_any_text_becomes_one_printable_line(text: str) -> None:
    shown = printable(text, 100)
    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1
    shown.encode("utf-8")
