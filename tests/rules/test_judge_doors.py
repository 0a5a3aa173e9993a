"""Judging: what counts after RCPT, and what policyd's case tells the milter's."""

from pathlib import Path

from postward.decision import Accept, Continue, Quarantine, Reject
from postward.stage import Door, Stage
from tests.rules.judging import HIT, Bench, recipient, rule, rules


def _bench(tmp_path: Path, *lines: str, before: str = "", door: Door = Door.POLICYD) -> Bench:
    return Bench(tmp_path, rules(*lines, before=before), door=door)


def _hits(bench: Bench, *keys: str) -> Bench:
    bench.finds.update(dict.fromkeys(keys, HIT))
    return bench


# --- After RCPT ----------------------------------------------------------------------------------
def _per_recipient(tmp_path: Path, *more: str, before: str = "") -> Bench:
    line = rule("worse", "{score: 5}", when="[{recipient_domain: worse.example}]")
    return _hits(_bench(tmp_path, line, *more, before=before), "worse")


def test_the_worst_recipient_counts_at_data(tmp_path: Path) -> None:
    bench = _per_recipient(tmp_path)
    bench.judge(**recipient("a@worse.example"))
    bench.judge(**recipient("a@example.org"))
    assert bench.judge(Stage.DATA).score == 5


def test_a_recipient_that_was_refused_does_not_count_at_data(tmp_path: Path) -> None:
    bench = _per_recipient(tmp_path, before="thresholds: {reject: 5}")
    assert isinstance(bench.decide(**recipient("a@worse.example")), Reject)
    assert isinstance(bench.decide(**recipient("a@example.org")), Continue)
    assert bench.judge(Stage.DATA).score == 0


# --- From door to door ---------------------------------------------------------------------------
def test_score_hits_and_trace_are_carried(tmp_path: Path) -> None:
    bench = _hits(_bench(tmp_path, rule("a", "{score: 1}"), rule("b", "{score: 2.25}")), "a", "b")
    trace = bench.judge().trace
    bench.judge(Stage.DATA)
    carried = bench.case.carry()
    assert (carried.trace, carried.score) == (trace, 3.25)
    assert carried.hits == (("a", 1), ("b", 2.25))


def test_what_was_found_at_data_is_carried(tmp_path: Path) -> None:
    bench = _hits(
        _bench(tmp_path, rule("a", "{score: 1}"), rule("late", "{score: 2}", stage="data")), "a", "late"
    )
    bench.judge()
    bench.judge(Stage.DATA)
    carried = bench.case.carry()
    assert carried.hits == (("a", 1), ("late", 2))
    assert carried.score == 3


def test_what_was_found_at_data_alone_is_carried(tmp_path: Path) -> None:
    bench = _hits(_bench(tmp_path, rule("a", "{score: 1}")), "a")
    bench.judge(Stage.DATA)
    assert bench.case.carry().score == 1


def test_the_worst_recipient_is_carried(tmp_path: Path) -> None:
    bench = _per_recipient(tmp_path)
    bench.judge(**recipient("a@worse.example"))
    bench.judge(**recipient("a@example.org"))
    assert bench.case.carry().score == 5


def test_a_refused_recipient_is_not_carried(tmp_path: Path) -> None:
    bench = _per_recipient(tmp_path, before="thresholds: {reject: 5}")
    bench.judge(**recipient("a@worse.example"))
    bench.judge(**recipient("a@example.org"))
    bench.judge(Stage.DATA)
    assert bench.case.carry().score == 0


def test_acceptance_is_carried(tmp_path: Path) -> None:
    bench = _hits(_bench(tmp_path, rule("friend", "accept")), "friend")
    bench.judge()
    bench.judge(Stage.DATA)
    carried = bench.case.carry()
    assert carried.accepted_by == "friend"
    assert bench.at_milter(carried).decide(Stage.EOM) == Accept("friend")


def test_acceptance_of_one_of_two_recipients_is_not_carried(tmp_path: Path) -> None:
    bench = _bench(tmp_path, rule("friend", "accept", when="[{recipient_domain: example.org}]"))
    _hits(bench, "friend")
    bench.judge(**recipient("a@example.org"))
    bench.judge(**recipient("a@other.example"))
    bench.judge(Stage.DATA)
    assert bench.case.carry().accepted_by == ""


def test_acceptance_at_data_is_carried(tmp_path: Path) -> None:
    bench = _hits(_bench(tmp_path, rule("friend", "accept", stage="data")), "friend")
    bench.judge()
    bench.judge(Stage.DATA)
    assert bench.case.carry().accepted_by == "friend"


def test_the_milter_goes_on_from_the_carried_score(tmp_path: Path) -> None:
    bench = _bench(
        tmp_path,
        rule("a", "{score: 4}"),
        rule("b", "{score: 2}", at="milter", stage="eom"),
        before="thresholds: {reject: 6}",
    )
    _hits(bench, "a", "b").judge()
    judgement = bench.at_milter(bench.case.carry()).judge(Stage.EOM)
    assert judgement.score == 6
    assert isinstance(judgement.decision, Reject)


def test_the_milter_keeps_the_trace_of_policyd(tmp_path: Path) -> None:
    bench = _bench(tmp_path, rule("a", "watch"))
    trace = bench.judge().trace
    assert bench.at_milter(bench.case.carry()).judge(Stage.EOM).trace == trace


def test_what_the_milter_found_of_a_recipient_counts_beside_the_carried_score(tmp_path: Path) -> None:
    bench = _bench(
        tmp_path, rule("a", "{score: 4}"), rule("own", "{score: 2}", at="milter", reads="recipient")
    )
    _hits(bench, "a", "own").judge()
    carried = bench.case.carry()
    bench.door = Door.MILTER
    bench.open()
    bench.judge(Stage.RCPT)
    bench.case.hear(carried)
    assert bench.judge(Stage.EOM).score == 6


def test_a_carried_score_alone_can_reach_a_threshold(tmp_path: Path) -> None:
    """Nobody's rules but the recipients' own kept policyd from it."""
    bench = _bench(
        tmp_path,
        rule("a", "{score: 4}"),
        rule("b", "watch", at="milter"),
        before="thresholds: {quarantine: 4}\n"
        "overrides: [{for: {recipient_domain: lenient.example}, thresholds: {quarantine: off}}]",
    )
    assert isinstance(_hits(bench, "a").decide(**recipient("a@lenient.example")), Continue)
    decision = bench.at_milter(bench.case.carry()).decide(Stage.EOM)
    assert isinstance(decision, Quarantine)
