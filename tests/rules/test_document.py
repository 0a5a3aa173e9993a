"""YAML as plain values with their places."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postward.rules.document import MAX_NODES, parse
from postward.rules.errors import ConfigErrors, Mark


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7),
        ("-7", -7),
        ("+7", 7),
        ("0", 0),
        ("2.5", 2.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1.5e3", 1500.0),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("True", "True"),
        ("2026-11-22", "2026-11-22"),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("192.0.2.1", "192.0.2.1"),
        ("5.7.1", "5.7.1"),
        ("10%", "10%"),
        ("99999999999999999999", "99999999999999999999"),
        ('"7"', "7"),
        ("'true'", "true"),
        ('""', ""),
        ('"007"', "007"),
    ],
)
def test_scalars(text: str, value: Any) -> None:
    data = parse(f"a: {text}\n".encode(), "f").data
    assert data == {"a": value}
    assert type(data["a"]) is type(value)


def test_block_text() -> None:
    assert parse(b"a: |\n  7\nb: >-\n  x\n  y\n", "f").data == {"a": "7\n", "b": "x y"}


def test_keys_are_text() -> None:
    assert parse(b"7: a\ntrue: b\nnull: c\n", "f").data == {"7": "a", "true": "b", "null": "c"}


@pytest.mark.parametrize("text", ["", "---\n", "# nothing\n", "\ufeff"])
def test_a_file_with_nothing_in_it(text: str) -> None:
    assert parse(text.encode(), "f").data is None


def test_an_alias_is_what_it_stands_for() -> None:
    assert parse(b"a: &x [1]\nb: *x\n", "f").data == {"a": [1], "b": [1]}


def test_values_know_their_places() -> None:
    document = parse(b"rules:\n  - name: x\n    with: {a: [1, 2]}\n", "f")
    assert document.mark(("rules", 0, "name")) == Mark("f", 2, 11)
    assert document.mark(("rules", 0, "with", "a", 1)) == Mark("f", 3, 19)


def test_keys_know_their_places() -> None:
    document = parse(b"rules:\n  - name: x\n    with: {a: 1}\n", "f")
    assert document.key_mark(("rules", 0, "with")) == Mark("f", 3, 5)


def test_what_is_not_there_is_at_the_nearest_thing_around_it() -> None:
    assert parse(b"a:\n  b: 1\n", "f").mark(("a", "c", "d")) == Mark("f", 2, 3)


def test_a_column_counts_characters() -> None:
    assert parse('{"ä": 1, b: 2}'.encode(), "f").mark(("b",)) == Mark("f", 1, 13)


def test_many_values_are_taken_up_to_the_limit() -> None:
    text = b"a: [" + b"1," * (MAX_NODES - 2) + b"]"
    assert len(parse(text, "f").data["a"]) == MAX_NODES - 2


def test_one_value_more_is_refused() -> None:
    text = b"a: [" + b"1," * (MAX_NODES - 1) + b"]"
    with pytest.raises(ConfigErrors, match="more than 200000 values"):
        parse(text, "f")


@pytest.mark.parametrize("nest", [b"[", b"{a: ", b"- ", b"? ", b"[{a: ", b"!x [", b"&a ["])
def test_no_depth_ends_the_process(nest: bytes) -> None:
    with pytest.raises(ConfigErrors):
        parse(nest * (900_000 // len(nest)), "f")


@given(st.binary(max_size=200))
def test_any_octets_are_a_document_or_refused(octets: bytes) -> None:
    try:
        parse(octets, "f")
    except ConfigErrors as errors:
        assert str(errors).startswith("f:")


@given(st.text(st.sampled_from("{}[]:,-?*&!|>'\"% \n\tab0"), max_size=60))
def test_any_text_in_yamls_letters_is_a_document_or_refused(text: str) -> None:
    try:
        parse(text.encode(), "f")
    except ConfigErrors as errors:
        assert str(errors).startswith("f:")
