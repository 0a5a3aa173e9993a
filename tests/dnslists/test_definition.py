"""Codes and what is hidden."""

import pytest

from postward.dnslists.definition import number, pattern, points
from tests.dnslists.scripted import KEY, keyed


@pytest.mark.parametrize(
    ("text", "answer", "fits"),
    [
        ("127.0.0.2", "127.0.0.2", True),
        ("127.0.0.2", "127.0.0.3", False),
        ("127.0.*.3", "127.0.17.3", True),
        ("127.0.*.3", "127.1.17.3", False),
        ("127.0.*.3", "127.0.17.2", False),
        ("bit 8", "127.0.0.8", True),
        ("bit 8", "127.0.0.24", True),
        ("bit 8", "127.0.0.16", False),
        ("bit 128", "127.0.0.255", True),
        ("bit 8", "10.0.0.8", False),
    ],
)
def test_a_pattern_fits(text: str, answer: str, fits: bool) -> None:
    value = number(answer)
    assert value is not None
    assert pattern(text).fits(value) is fits


@pytest.mark.parametrize(
    "text",
    ["", "127.0.0", "127.0.0.256", "127.0.0.02", "10.0.0.1", "bit 1", "bit 256", "bit 3", "*.0.0.2", "x"],
)
def test_a_pattern_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write an address|answers of a list"):
        pattern(text)


def test_the_key_is_hidden_whatever_its_case() -> None:
    hidden = keyed().hide(f"asked 2.0.0.127.{KEY.upper()}.bl.example, {KEY.lower()}")
    assert hidden == "asked 2.0.0.127.***.bl.example, ***"


def test_the_key_is_asked_but_not_shown() -> None:
    each = keyed()
    assert each.asked("2.0.0.127") == f"2.0.0.127.{KEY.lower()}.bl.example"
    assert each.shown("2.0.0.127") == "2.0.0.127.***.bl.example"
    assert KEY.lower() not in repr(each).lower()


def test_the_usual_test_points() -> None:
    assert points(frozenset({"client"})) == (("127.0.0.2",), ("127.0.0.1",))
    assert points(frozenset({"helo", "sender"})) == (("test",), ("invalid",))
    assert points(frozenset({"client", "helo"})) == (("127.0.0.2", "test"), ("127.0.0.1", "invalid"))
