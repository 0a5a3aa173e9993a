"""Loading: the shipped rules, the admin's over them, and lists."""

import ipaddress
from pathlib import Path

import pytest

from postward.rules.errors import ConfigErrors
from postward.rules.load import SHIPPED, load
from postward.rules.rule import Mode, Rule
from postward.rules.ruleset import Ruleset
from postward.tools import NoNetworks
from tests.house import BOTH


def _load(tmp_path: Path, **files: str) -> Ruleset:
    (tmp_path / "rules.d").mkdir(exist_ok=True)
    (tmp_path / "lists").mkdir(exist_ok=True)
    for name, text in files.items():
        folder, _, stem = name.partition("__")
        path = tmp_path / {"rules": "rules.d", "lists": "lists"}[folder] / f"{stem}.yml"
        path.write_text(text)
    return load(tmp_path, BOTH)


def _rule(rules: Ruleset, name: str) -> Rule:
    [rule] = [each for each in rules.rules if each.name == name]
    return rule


def test_an_empty_directory_has_the_shipped_rules(tmp_path: Path) -> None:
    assert {"allow-client", "greylist", "spf-fail"} <= {rule.name for rule in load(tmp_path, BOTH).rules}


def test_the_shipped_thresholds(tmp_path: Path) -> None:
    thresholds = load(tmp_path, BOTH).thresholds
    assert (thresholds.greylist, thresholds.tag, thresholds.reject) == (2, 6, 12)


@pytest.mark.parametrize("word", ["off", "false"])
def test_the_shipped_rules_can_be_off(tmp_path: Path, word: str) -> None:
    rules = _load(tmp_path, rules__a=f"shipped: {word}\n")
    assert rules.rules == ()
    assert rules.thresholds.reject is None


@pytest.mark.parametrize("word", ["on", "true"])
def test_the_shipped_rules_can_be_on(tmp_path: Path, word: str) -> None:
    assert _load(tmp_path, rules__a=f"shipped: {word}\n").rules


def test_the_last_word_on_the_shipped_rules_counts(tmp_path: Path) -> None:
    assert _load(tmp_path, rules__a="shipped: off\n", rules__b="shipped: on\n").rules


def test_an_admins_rule_changes_the_keys_that_it_gives(tmp_path: Path) -> None:
    shipped = _rule(load(tmp_path, BOTH), "spf-fail")
    changed = _rule(_load(tmp_path, rules__a="rules: [{name: spf-fail, then: {score: 9}}]\n"), "spf-fail")
    assert changed.then.score == 9
    assert (changed.check, changed.reason) == (shipped.check, shipped.reason)


def test_a_changed_rule_keeps_its_place_in_the_order(tmp_path: Path) -> None:
    before = [rule.name for rule in load(tmp_path, BOTH).rules]
    rules = _load(tmp_path, rules__a="rules: [{name: deny-client, mode: shadow}]\n")
    assert [rule.name for rule in rules.rules] == before


def test_new_options_replace_all_of_the_old(tmp_path: Path) -> None:
    rules = _load(tmp_path, rules__a="rules: [{name: greylist, with: {delay: 60}}]\n")
    assert _rule(rules, "greylist").check.delay == 60  # type: ignore[attr-defined]  # Greylisted


def test_another_check_comes_without_the_options_and_texts_of_the_old(tmp_path: Path) -> None:
    text = "rules: [{name: spf-fail, check: rdns, with: {verdict: missing}}]\n"
    rule = _rule(_load(tmp_path, rules__a=text), "spf-fail")
    assert (rule.check.name, rule.reason, rule.remedy) == ("rdns", None, None)


def test_files_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    rules = _load(
        tmp_path,
        rules__20="rules: [{name: spf-fail, mode: off}]\n",
        rules__10="rules: [{name: spf-fail, mode: shadow}]\n",
    )
    assert _rule(rules, "spf-fail").mode is Mode.OFF


def test_a_name_comes_before_one_that_it_begins(tmp_path: Path) -> None:
    rules = _load(
        tmp_path,
        **{"rules__50-new": "rules: [{name: x, check: spf, then: watch}]\n"},
        **{"rules__50-new-too": "rules: [{name: x, mode: off}]\n"},
    )
    assert _rule(rules, "x").mode is Mode.OFF


def test_a_threshold_is_changed_and_the_others_stay(tmp_path: Path) -> None:
    thresholds = _load(tmp_path, rules__a="thresholds: {reject: 15, tag: off}\n").thresholds
    assert (thresholds.greylist, thresholds.tag, thresholds.reject) == (2, None, 15)


def test_hidden_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "rules.d").mkdir()
    (tmp_path / "rules.d" / ".#a.yml").write_text("rules: [")
    load(tmp_path, BOTH)


def test_an_empty_file_is_fine(tmp_path: Path) -> None:
    _load(tmp_path, rules__a="", lists__a="")


@pytest.mark.parametrize(
    ("text", "mode", "share"),
    [
        ("off", Mode.OFF, 1),
        ("shadow", Mode.SHADOW, 1),
        ("enforce", Mode.ENFORCE, 1),
        ("canary 10%", Mode.CANARY, 0.1),
        ('"canary: 10%"', Mode.CANARY, 0.1),
        ("{canary: 10%}", Mode.CANARY, 0.1),
        ("{canary: 0.5%}", Mode.CANARY, 0.005),
    ],
)
def test_modes(tmp_path: Path, text: str, mode: Mode, share: float) -> None:
    rule = _rule(_load(tmp_path, rules__a=f"rules: [{{name: spf-fail, mode: {text}}}]\n"), "spf-fail")
    assert (rule.mode, rule.share) == (mode, share)


@pytest.mark.parametrize("day", ["2027-01-31", "9999-12-31", "1999-01-01"])
def test_any_day_can_be_the_last(tmp_path: Path, day: str) -> None:
    rule = _rule(_load(tmp_path, rules__a=f"rules: [{{name: spf-fail, until: {day}}}]\n"), "spf-fail")
    assert rule.gate is not None
    assert rule.gate.until is not None


# --- Lists ---------------------------------------------------------------------------------------
def test_the_shipped_lists_accuse_nobody(tmp_path: Path) -> None:
    """But for names of services and of postmasters, which are facts, they are the admin's to fill."""
    filled = {name for name, each in load(tmp_path, BOTH).lists.items() if len(each)}
    assert filled == {"freemail", "disposable", "contact-addresses"}


def test_an_admins_list_takes_the_place_of_the_shipped_one(tmp_path: Path) -> None:
    entry = '{value: 192.0.2.0/24, note: "why", added: 2026-11-22, expires: 2027-11-22}'
    rules = _load(tmp_path, lists__deny_clients="", lists__x=f"description: X\nentries: [{entry}, a.org]\n")
    client = ipaddress.ip_address("192.0.2.7")
    match = rules.lists["x"].match_network(client, "", NoNetworks(), 1_800_000_000.0)
    assert match is not None
    found = match.entry
    assert (found.value, found.note, found.added, found.expires) == (
        "192.0.2.0/24", "why", "2026-11-22", 1_826_928_000.0,
    )  # fmt: skip


def test_a_rule_may_use_a_list_of_the_admin(tmp_path: Path) -> None:
    rules = _load(
        tmp_path,
        lists__hosting="entries: [192.0.2.0/24]\n",
        rules__a="rules: [{name: x, check: list, with: {match: client, list: hosting}, then: {score: 4}}]\n",
    )
    assert _rule(rules, "x").then.score == 4


# --- The digest ----------------------------------------------------------------------------------
def test_equal_files_have_equal_digests(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        _load(tmp_path / name, rules__a="thresholds: {tag: 5}\n")
    assert load(tmp_path / "one", BOTH).digest == load(tmp_path / "two", BOTH).digest


def test_another_rule_or_list_has_another_digest(tmp_path: Path) -> None:
    digests = {
        _load(tmp_path).digest,
        _load(tmp_path, rules__a="thresholds: {tag: 5}\n").digest,
        _load(tmp_path, lists__a="entries: [a.org]\n").digest,
    }
    assert len(digests) == 3


def test_a_comment_does_not_change_the_digest(tmp_path: Path) -> None:
    before = _load(tmp_path, rules__a="thresholds: {tag: 5}\n").digest
    assert _load(tmp_path, rules__a="# why\nthresholds: {tag: 5}\n").digest == before


# --- Bounds --------------------------------------------------------------------------------------
def test_more_rules_than_there_may_be(tmp_path: Path) -> None:
    lines = "".join(f"  - {{name: r{number}, check: spf, then: watch}}\n" for number in range(2_001))
    with pytest.raises(ConfigErrors, match="more than 2000 rules") as caught:
        _load(tmp_path, rules__a=f"shipped: off\nrules:\n{lines}")
    assert len(caught.value.problems) == 1


def test_the_shipped_files_are_in_the_package() -> None:
    assert (SHIPPED / "rules.yml").is_file()


def test_never_takes_an_end_away(tmp_path: Path) -> None:
    rules = _load(
        tmp_path,
        rules__a="rules: [{name: spf-fail, until: 2020-01-31}]\n",
        rules__b="rules: [{name: spf-fail, until: never}]\n",
    )
    gate = _rule(rules, "spf-fail").gate
    assert gate is None or gate.until is None
    assert rules.expired(now=2e9) == {}


def test_durations_are_seconds_whatever_their_spelling(tmp_path: Path) -> None:
    limit = (
        "check: limit, with: {of: login, count: messages, windows: [{limit: 9, seconds: %s}]}, then: defer"
    )
    rules = _load(
        tmp_path,
        rules__a=f"rules: [{{name: greylist, with: {{delay: 2m, window: 12h, keep: 35d}}}},"
        f" {{name: long, {limit % 3600}}}, {{name: short, {limit % '1h'}}}]\n",
    )
    greylist = _rule(rules, "greylist").check
    assert (greylist.delay, greylist.window, greylist.keep) == (120, 43_200, 3_024_000)  # type: ignore[attr-defined]
    assert _rule(rules, "long").check == _rule(rules, "short").check
