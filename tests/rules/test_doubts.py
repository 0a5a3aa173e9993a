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


REFUSING = "rules: [{name: no, check: %s, with: {%slist: x}, then: %s, mode: %s}]\n"


def _about_list(tmp_path: Path, entries: str, rule: str) -> list[str]:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "x.yml").write_text(f"entries:\n{entries}")
    doubts = _doubts(tmp_path, rule)
    return [doubt.replace(f"{tmp_path}/lists/", "") for doubt in doubts]


WIDE = ["AS64500", "as64500", "10.0.0.0/15", "0.0.0.0/0", "2001:db8::/31", "{value: AS64500, whole: false}"]


@pytest.mark.parametrize("rule", [("network", ""), ("list", "match: client, ")])
@pytest.mark.parametrize("entry", WIDE)
def test_a_whole_provider_is_refused_by_the_admin_s_word_only(
    tmp_path: Path, entry: str, rule: tuple[str, str]
) -> None:
    assert _about_list(tmp_path, f"- {entry}\n", REFUSING % (*rule, "reject", "enforce")) == [
        "x.yml:2:3: entries[0]: the rule no refuses a whole provider by this entry; "
        "write whole: true if that is meant, or a smaller network"
    ]


@pytest.mark.parametrize(
    "entry",
    [
        "{value: AS64500, whole: true}",
        "10.0.0.0/16",
        "2001:db8::/32",
        "192.0.2.1",
        ".example.org",
        "a@as.org",
    ],
)
def test_what_is_no_whole_provider_or_said_to_be_one(tmp_path: Path, entry: str) -> None:
    assert _about_list(tmp_path, f"- {entry}\n", REFUSING % ("network", "", "reject", "enforce")) == []


@pytest.mark.parametrize(
    "rule",
    [
        ("network", "", "{score: own}", "enforce"),
        ("network", "", "reject", "off"),
        ("list", "match: sender, ", "reject", "enforce"),
    ],
)
def test_who_does_not_refuse_clients_may_list_providers(tmp_path: Path, rule: tuple[str, ...]) -> None:
    assert _about_list(tmp_path, "- AS64500\n", REFUSING % rule) == []
