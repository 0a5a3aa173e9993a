"""What loading takes and yet warns of."""

from pathlib import Path

import pytest

from postward.rules.load import load
from tests.house import BOTH


def _doubts(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "rules.d").mkdir()
    (tmp_path / "rules.d" / "a.yml").write_text(text)
    return [str(doubt).replace(f"{tmp_path}/rules.d/", "") for doubt in load(tmp_path, BOTH).doubts]


def test_thresholds_that_can_never_act(tmp_path: Path) -> None:
    assert _doubts(tmp_path, "thresholds: {greylist: -3, tag: 10, reject: 3}\n") == [
        "a.yml:1:24: thresholds.greylist: -3 is reached by every mail, also by one that scores nothing",
        "a.yml:1:33: thresholds.tag: tag: 10 is never reached, for reject: 3 comes first",
    ]


def test_a_threshold_that_the_shipped_ones_make_odd(tmp_path: Path) -> None:
    assert _doubts(tmp_path, "thresholds: {reject: 6}\n") == [
        "a.yml:1:22: thresholds.reject: tag: 6 is never reached, for reject: 6 comes first",
    ]


def test_thresholds_of_an_override(tmp_path: Path) -> None:
    text = "overrides: [{for: {login: a}, thresholds: {defer: 5}}]\n"
    assert _doubts(tmp_path, text) == [
        "a.yml:1:51: overrides[0].thresholds.defer: tag: 6 is never reached, for defer: 5 comes first",
    ]


@pytest.mark.parametrize(
    "text",
    ["", "thresholds: {reject: 7}\n", "thresholds: {tag: off, reject: 5}\n", "thresholds: {defer: 8}\n"],
)
def test_nothing_odd(tmp_path: Path, text: str) -> None:
    assert _doubts(tmp_path, text) == []
