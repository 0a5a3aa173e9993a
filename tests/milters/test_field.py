"""Text made safe: no octet of a client's gets into a header or reply as anything but text (THREATS B3)."""

import re
from email.header import decode_header, make_header

from hypothesis import example, given
from hypothesis import strategies as st

from milters.field import FOLD_AT, MAX_LINE, MAX_REPLY, field_name, field_value, reply_text

ANY = st.text(max_size=3_000) | st.text("ab \r\n\t\0é", max_size=3_000)
ASCII = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=50)


@given(ANY, st.integers(1, 64))
@example("x" * 20_000, 10)
@example(" " * 20_000 + "x", 10)
@example("x" + " " * 20_000 + "x", 64)
@example("é" * 5_000, 10)
@example("\udcff\r\n\r\nX-Evil: 1", 10)
def test_no_value_breaks_a_header(text, name_length):
    value = field_value(text, name_length)
    lines = value.split("\n")
    assert value.isascii()
    assert all(line.isprintable() for line in lines)
    assert all(len(line.encode()) <= MAX_LINE for line in lines[1:])
    assert name_length + 2 + len(lines[0]) <= MAX_LINE
    assert all(line.startswith(" ") and line.strip() for line in lines[1:])


@given(st.lists(ASCII, min_size=1, max_size=60))
def test_unfolding_gives_the_text_back(words):
    text = " ".join(words)
    assert field_value(text, 20).replace("\n", "") == text


@given(st.lists(ASCII, min_size=1, max_size=60))
def test_lines_are_short_where_words_allow_it(words):
    value = field_value(" ".join(words), 20)
    assert all(len(line) <= FOLD_AT for line in value.split("\n")[1:])


@given(st.text(st.characters(min_codepoint=0xA0, max_codepoint=0xD7FF), min_size=1, max_size=300))
def test_what_is_not_ascii_can_be_read_back(text):
    value = field_value(text, 10)
    assert str(make_header(decode_header(value.replace("\n", "")))) == text
    assert all(len(word) <= 75 for word in value.split())


@given(st.text(max_size=200))
def test_any_name_is_a_field_name(name):
    assert re.fullmatch(r"[!-9;-~]{1,64}", field_name(name))


@given(ANY)
def test_any_reply_is_one_printable_line(text):
    said = reply_text(text)
    assert said.isascii()
    assert said.isprintable()
    assert 0 < len(said) <= MAX_REPLY
