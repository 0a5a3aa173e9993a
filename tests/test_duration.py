"""Durations as rules write them."""

import pytest

from postward.duration import whole_seconds


@pytest.mark.parametrize(
    ("text", "seconds"), [("300s", 300), ("5m", 300), ("12h", 43_200), ("35d", 3_024_000), ("1w", 604_800)]
)
def test_a_number_and_its_unit(text: str, seconds: int) -> None:
    assert whole_seconds(text) == seconds


@pytest.mark.parametrize("value", [300, 1.5, True, None])
def test_what_is_no_text_stays_as_it_is(value: object) -> None:
    assert whole_seconds(value) is value


@pytest.mark.parametrize("text", ["", "300", "m", "1.5h", "-5m", "5 m", "5M", "5min", "5m\n", "\u0665m"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a duration such as"):
        whole_seconds(text)


@pytest.mark.parametrize("text", ["1" * 10 + "s", "99999999999999d"])
def test_what_is_too_long_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="too long; at most"):
        whole_seconds(text)
