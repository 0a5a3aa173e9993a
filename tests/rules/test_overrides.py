"""Overrides: other modes, outcomes and thresholds for some recipients, logins and listeners."""

from pathlib import Path

import pytest

from postward.decision import Continue, Defer, Reject
from postward.rules.errors import ConfigErrors
from postward.stage import Door, Stage
from tests.rules.judging import HIT, Bench, of, recipient, rule, rules

RULE = rule("a", "reject")


def _bench(tmp_path: Path, overrides: str, *lines: str, before: str = "", door: Door = Door.POLICYD) -> Bench:
    text = rules(*(lines or (RULE,)), before=f"{before}\noverrides:\n{overrides}")
    bench = Bench(tmp_path, text, door=door)
    bench.finds["a"] = HIT
    return bench


LENIENT = "  - {for: {recipient_domain: lenient.example}, rules: {a: {mode: shadow}}}\n"


def test_a_recipients_domain_has_its_own_mode(tmp_path: Path) -> None:
    bench = _bench(tmp_path, LENIENT)
    assert isinstance(bench.decide(**recipient("x@Lenient.Example")), Continue)
    assert isinstance(bench.decide(**recipient("x@other.example")), Reject)


def test_a_subdomain_is_another_domain(tmp_path: Path) -> None:
    assert isinstance(_bench(tmp_path, LENIENT).decide(**recipient("x@sub.lenient.example")), Reject)


def test_one_recipient_has_its_own_outcome(tmp_path: Path) -> None:
    bench = _bench(tmp_path, "  - {for: {recipient: Post@example.org}, rules: {a: {then: defer}}}\n")
    assert isinstance(bench.decide(**recipient("post@example.org")), Defer)
    assert isinstance(bench.decide(**recipient("alice@example.org")), Reject)


def test_a_login_has_its_own_threshold(tmp_path: Path) -> None:
    bench = _bench(
        tmp_path,
        "  - {for: {login: [alice, bob]}, thresholds: {reject: 9}}\n",
        rule("a", "{score: 6}"),
        before="thresholds: {reject: 6}",
    )
    assert isinstance(bench.decide(sasl_username="bob"), Continue)
    assert isinstance(bench.decide(sasl_username="carol"), Reject)


def test_a_listener_has_a_rule_off(tmp_path: Path) -> None:
    bench = _bench(tmp_path, "  - {for: {listener: submission}, rules: {a: {mode: off}}}\n")
    assert isinstance(bench.decide(listener="submission"), Continue)
    assert isinstance(bench.decide(listener="inbound"), Reject)


def test_a_rule_that_is_off_can_be_on_for_some(tmp_path: Path) -> None:
    bench = _bench(
        tmp_path,
        "  - {for: {listener: inbound}, rules: {a: {mode: enforce}}}\n",
        rule("a", "reject", mode="off"),
    )
    assert isinstance(bench.decide(listener="inbound"), Reject)
    assert isinstance(bench.decide(listener="submission"), Continue)


def test_all_of_for_must_match(tmp_path: Path) -> None:
    bench = _bench(tmp_path, "  - {for: {login: alice, listener: submission}, rules: {a: {mode: off}}}\n")
    assert isinstance(bench.decide(sasl_username="alice", listener="submission"), Continue)
    assert isinstance(bench.decide(sasl_username="alice", listener="inbound"), Reject)


def test_a_later_override_wins(tmp_path: Path) -> None:
    bench = _bench(
        tmp_path,
        "  - {for: {listener: submission}, rules: {a: {mode: off}}}\n"
        "  - {for: {login: mallory}, rules: {a: {mode: enforce}}}\n",
    )
    assert isinstance(bench.decide(listener="submission", sasl_username="mallory"), Reject)


def test_a_threshold_can_be_off_for_some(tmp_path: Path) -> None:
    bench = _bench(
        tmp_path,
        "  - {for: {recipient_domain: lenient.example}, thresholds: {reject: off}}\n",
        rule("a", "{score: 6}"),
        before="thresholds: {reject: 6}",
    )
    assert isinstance(bench.decide(**recipient("x@lenient.example")), Continue)


def test_one_look_serves_recipients_with_different_overrides(tmp_path: Path) -> None:
    bench = _bench(tmp_path, LENIENT)
    assert not of(bench.judge(**recipient("x@lenient.example")), "a").enforced
    assert of(bench.judge(**recipient("x@other.example")), "a").enforced
    assert bench.asked == ["a"]


@pytest.mark.parametrize(
    ("recipients", "decision"),
    [
        (["x@lenient.example", "y@lenient.example"], Continue),
        (["x@lenient.example", "y@other.example"], Reject),
        ([], Reject),
    ],
)
def test_at_data_it_applies_if_it_matches_all_who_were_taken(
    tmp_path: Path, recipients: list[str], decision: type
) -> None:
    bench = _bench(tmp_path, LENIENT, rule("a", "reject", stage="data"))
    for each in recipients:
        bench.judge(**recipient(each))
    assert isinstance(bench.decide(Stage.DATA), decision)


def test_at_data_a_recipient_that_was_refused_is_not_asked_for(tmp_path: Path) -> None:
    bench = _bench(tmp_path, LENIENT)
    assert isinstance(bench.decide(**recipient("x@lenient.example")), Continue)
    assert isinstance(bench.decide(**recipient("x@other.example")), Reject)
    assert isinstance(bench.decide(Stage.DATA), Continue)


def test_at_the_milter_it_applies_if_it_matches_all_recipients(tmp_path: Path) -> None:
    line = rule("a", "reject", stage="eom", at="milter")
    bench = _bench(tmp_path, LENIENT, line, door=Door.MILTER)
    one, other = (recipient(each)["recipient"] for each in ("x@lenient.example", "x@other.example"))
    assert isinstance(bench.decide(Stage.EOM, recipients=(one, one)), Continue)
    assert isinstance(bench.decide(Stage.EOM, recipients=(one, other)), Reject)


def test_an_outcome_can_move_a_rule_to_the_other_door(tmp_path: Path) -> None:
    bench = _bench(tmp_path, "  - {for: {login: alice}, rules: {a: {then: tag}}}\n")
    assert isinstance(bench.decide(sasl_username="alice"), Continue)
    bench.door = Door.MILTER
    bench.open()
    assert bench.judge(Stage.EOM, sasl_username="alice").edits
    assert bench.judge(Stage.EOM, sasl_username="bob").edits == ()


def test_a_recipient_and_its_domain_must_both_match(tmp_path: Path) -> None:
    bench = _bench(
        tmp_path,
        "  - {for: {recipient_domain: lenient.example, recipient: [bob@lenient.example, bob@other.example]},"
        " rules: {a: {mode: off}}}\n",
    )
    assert isinstance(bench.decide(**recipient("Bob@lenient.example")), Continue)
    assert isinstance(bench.decide(**recipient("bob@other.example")), Reject)
    assert isinstance(bench.decide(**recipient("alice@lenient.example")), Reject)


@pytest.mark.parametrize("stage", ["connect", "helo", "mail"])
def test_an_override_by_recipient_waits_for_the_recipient(tmp_path: Path, stage: str) -> None:
    reads = {"connect": "client_address", "helo": "helo_name", "mail": "sender"}[stage]
    bench = _bench(tmp_path, LENIENT, rule("a", "reject", reads=reads, at="milter"), door=Door.MILTER)
    assert bench.rules.stages(Door.MILTER) == {Stage.RCPT}
    assert isinstance(bench.decide(Stage[stage.upper()]), Continue)
    assert isinstance(bench.decide(**recipient("x@lenient.example")), Continue)
    assert isinstance(bench.decide(**recipient("x@other.example")), Reject)


def test_a_score_waits_for_thresholds_by_recipient(tmp_path: Path) -> None:
    bench = _bench(
        tmp_path,
        "  - {for: {recipient_domain: lenient.example}, thresholds: {reject: 9}}\n",
        rule("a", "{score: 6}", at="milter"),
        before="thresholds: {reject: 6}",
        door=Door.MILTER,
    )
    assert isinstance(bench.decide(Stage.MAIL), Continue)
    assert isinstance(bench.decide(**recipient("x@lenient.example")), Continue)
    assert isinstance(bench.decide(**recipient("x@other.example")), Reject)


def test_an_override_by_recipient_of_a_rule_that_must_not_wait_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match=r"recipient of an override .* stage rcpt, later than mail"):
        _bench(tmp_path, LENIENT, rule("a", "reject", stage="mail"))
