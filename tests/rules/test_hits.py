"""Rules that look at what other rules found, and rules that have a consequence for who is knocking."""

import asyncio
from pathlib import Path

import pytest

from postward.decision import Continue, Reject
from postward.finding import Hit
from postward.rules.errors import ConfigErrors
from postward.stage import Door, Stage
from tests.house import build
from tests.rules.judging import HIT, Bench, of, recipient, rule, rules


def _bench(directory: Path, *lines: str, before: str = "") -> Bench:
    bench = Bench(directory, rules(*lines, before=before))
    bench.finds.update({line.split("name: ")[1].split(",")[0]: HIT for line in lines})
    return bench


def _error(directory: Path, *lines: str, before: str = "") -> str:
    with pytest.raises(ConfigErrors) as caught:
        Bench(directory, rules(*lines, before=before))
    return str(caught.value)


def test_a_rule_can_wait_for_a_hit_of_another(tmp_path: Path) -> None:
    bench = _bench(tmp_path, rule("b", "reject", when="[{hit: a}]"), rule("a", "watch", "look-up"))
    assert isinstance(bench.decide(), Reject)
    assert bench.asked == ["a", "b"]


def test_a_rule_can_be_spared_by_a_hit_of_another(tmp_path: Path) -> None:
    bench = _bench(
        tmp_path, rule("a", "watch"), rule("b", "reject", unless="[{hit: [x, a]}]"), rule("x", "watch")
    )
    judgement = bench.judge()
    assert of(judgement, "b").skipped == "unless: hit"


def test_no_hit_spares_nothing(tmp_path: Path) -> None:
    bench = _bench(tmp_path, rule("a", "watch"), rule("b", "reject", unless="[{hit: a}]"))
    del bench.finds["a"]
    assert isinstance(bench.decide(), Reject)


@pytest.mark.parametrize("mode", ["shadow", "off"])
def test_a_hit_in_shadow_has_no_consequence(tmp_path: Path, mode: str) -> None:
    bench = _bench(tmp_path, rule("a", "watch", mode=mode), rule("b", "reject", when="[{hit: a}]"))
    assert isinstance(bench.decide(), Continue)


def test_the_named_rule_must_be_there(tmp_path: Path) -> None:
    said = _error(tmp_path, rule("friend", "watch"), rule("b", "reject", unless="[{hit: frend}]"))
    assert "there is no rule frend; did you mean friend?" in said
    assert ":5:87:" in said


def test_the_named_rule_must_be_judged_before(tmp_path: Path) -> None:
    said = _error(tmp_path, rule("late", "reject", "stateful"), rule("b", "reject", when="[{hit: late}]"))
    assert "late is judged at the same time or later, so it is not known yet whether it hits" in said


def test_no_circle(tmp_path: Path) -> None:
    said = _error(tmp_path, rule("a", "watch", when="[{hit: b}]"), rule("b", "watch", when="[{hit: a}]"))
    assert said.count("itself looks at score or hits") == 2


def test_the_named_rule_must_be_judged_at_the_same_door(tmp_path: Path) -> None:
    said = _error(tmp_path, rule("a", "watch"), rule("b", "reject", at="milter", when="[{hit: a}]"))
    assert "a is judged by policyd, this rule by milter" in said


def test_looking_at_a_rule_about_a_recipient_makes_a_rule_about_one(tmp_path: Path) -> None:
    bench = _bench(
        tmp_path,
        rule("friend", "watch", "recall", reads="recipient"),
        rule("b", "{score: 3}", unless="[{hit: friend}]"),
        rule("late", "watch", stage="data"),
    )
    assert bench.judge(Stage.RCPT).score == 0.0
    assert bench.judge(Stage.DATA).score == 0.0


def test_each_recipient_has_hits_of_its_own(tmp_path: Path) -> None:
    bench = _bench(
        tmp_path,
        rule("friend", "watch", "recall", reads="recipient"),
        rule("b", "reject", "delaying", unless="[{hit: friend}]"),
    )
    assert isinstance(bench.decide(**recipient("bob@example.org")), Continue)
    del bench.finds["friend"]
    assert isinstance(bench.decide(**recipient("carol@example.org")), Reject)


def test_a_rule_at_data_cannot_look_at_one_about_a_recipient(tmp_path: Path) -> None:
    said = _error(
        tmp_path,
        rule("friend", "watch", "recall", reads="recipient"),
        rule("b", "reject", stage="data", unless="[{hit: friend}]"),
    )
    assert "is about one recipient, but this is judged at data" in said


def test_a_finding_may_weigh_itself(tmp_path: Path) -> None:
    bench = _bench(tmp_path, rule("a", "{score: own}"))
    bench.finds["a"] = Hit("told", score=2.75)
    judgement = bench.judge()
    assert judgement.score == 2.75
    assert of(judgement, "a").score == 2.75


@pytest.mark.parametrize(("said", "counted"), [(1e9, 1000.0), (float("nan"), 0.0), (float("-inf"), 0.0)])
def test_a_finding_cannot_weigh_everything(tmp_path: Path, said: float, counted: float) -> None:
    bench = _bench(tmp_path, rule("a", "{score: own}"))
    bench.finds["a"] = Hit("told", score=said)
    assert bench.judge().score == counted


def test_a_hit_tells_what_is_to_be_remembered(tmp_path: Path) -> None:
    line = rule("a", "watch", rate="-4", remember="{list: trapped, for: 7d}")
    judged = of(_bench(tmp_path, line).judge(), "a")
    assert (judged.rate, judged.remember) == (-4.0, ("trapped", 7 * 86_400.0))


@pytest.mark.parametrize("mode", ["shadow", "canary: 0.0001%"])
def test_a_rule_that_is_not_enforced_has_nothing_remembered(tmp_path: Path, mode: str) -> None:
    line = rule("a", "reject", rate="-4", remember="{list: trapped, for: 7d}", mode=f'"{mode}"')
    judged = of(_bench(tmp_path, line).judge(), "a")
    assert (judged.rate, judged.remember) == (0.0, None)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("trapped", "remember: must"),
        ("{list: trapped}", "needs for:, as in {list: trapped-clients, for: 7d}"),
        ("{list: 'a b', for: 7d}", "must be letters, digits and hyphens, at most 48"),
        ("{list: trapped, for: soon}", "must be a duration such as 300"),
        ("{list: trapped, for: 1s}", "must be from 1m to 400d"),
        ("{list: trapped, for: true}", "must be from 1m to 400d"),
    ],
)
def test_what_remember_takes(tmp_path: Path, value: str, why: str) -> None:
    assert why in _error(tmp_path, rule("a", "watch", remember=value))


def test_an_override_can_change_the_conditions(tmp_path: Path) -> None:
    before = "overrides: [{for: {recipient: eager@example.org}, rules: {a: {unless: [null_sender]}}}]"
    bench = _bench(tmp_path, rule("a", "reject", unless="[tls]"), before=before)
    facts = {"encryption_protocol": "TLSv1.3"}
    assert isinstance(bench.decide(**facts, **recipient("bob@example.org")), Continue)
    assert isinstance(bench.decide(**facts, **recipient("eager@example.org")), Reject)


def test_hits_are_forgotten_with_the_message(tmp_path: Path) -> None:
    bench = _bench(tmp_path, rule("a", "watch"), rule("b", "reject", when="[{hit: a}]"))
    assert isinstance(bench.decide(), Reject)
    bench.open()
    del bench.finds["a"]
    assert isinstance(bench.decide(), Continue)
    assert asyncio.run(bench.judging(Stage.RCPT)).score == 0.0


def test_a_site_with_one_door_can_leave_out_what_is_named(tmp_path: Path) -> None:
    text = (
        "rules:\n  - {name: b, check: rdns, with: {verdict: missing}, when: [{hit: from-none}], then: reject}"
    )
    assert "b" in {
        each.name for each in build(tmp_path, text, doors=frozenset({Door.POLICYD})).house.rules.rules
    }
