"""Judging: scores, thresholds, phases, modes, and what is recorded."""

import asyncio
from pathlib import Path

import pytest

from postward.decision import Accept, Continue, Defer, Discard, Hold, Quarantine, Reject
from postward.finding import Clear, Finding, Hit
from postward.stage import Door, Stage
from tests.rules.judging import HIT, Bench, of, recipient, rule, rules


def _bench(tmp_path: Path, *lines: str, before: str = "", door: Door = Door.POLICYD) -> Bench:
    return Bench(tmp_path, rules(*lines, before=before), door=door)


def _hits(bench: Bench, *keys: str) -> Bench:
    bench.finds.update(dict.fromkeys(keys, HIT))
    return bench


# --- Score and thresholds ------------------------------------------------------------------------
def test_nothing_found_is_continue(tmp_path: Path) -> None:
    judgement = _bench(tmp_path, rule("a", "reject")).judge()
    assert judgement.decision == Continue()
    assert judgement.by == ""


def test_scores_add_up(tmp_path: Path) -> None:
    bench = _hits(_bench(tmp_path, rule("a", "{score: 2.5}"), rule("b", "{score: 1}", "look-up")), "a", "b")
    assert bench.judge().score == 3.5


def test_a_negative_score_speaks_for_the_mail(tmp_path: Path) -> None:
    bench = _bench(
        tmp_path, rule("a", "{score: 6}"), rule("b", "{score: -1}"), before="thresholds: {reject: 6}"
    )
    assert isinstance(_hits(bench, "a", "b").decide(), Continue)


@pytest.mark.parametrize(("score", "decision"), [("5.9", Continue), ("6", Reject), ("6.1", Reject)])
def test_a_threshold_is_reached_exactly(tmp_path: Path, score: str, decision: type) -> None:
    bench = _bench(tmp_path, rule("a", f"{{score: {score}}}"), before="thresholds: {reject: 6}")
    assert isinstance(_hits(bench, "a").decide(), decision)


@pytest.mark.parametrize(
    ("score", "decision"), [(3, Continue), (4, Quarantine), (7, Quarantine), (8, Defer), (12, Reject)]
)
def test_the_strongest_threshold_that_is_reached_decides(tmp_path: Path, score: int, decision: type) -> None:
    bench = _bench(
        tmp_path,
        rule("a", f"{{score: {score}}}"),
        before="thresholds: {quarantine: 4, defer: 8, reject: 12}",
    )
    assert isinstance(_hits(bench, "a").decide(), decision)


def test_a_threshold_is_named_as_what_decided(tmp_path: Path) -> None:
    bench = _bench(tmp_path, rule("a", "{score: 6}"), before="thresholds: {reject: 6}")
    assert _hits(bench, "a").judge().by == "threshold reject"


def test_a_threshold_that_is_off_does_nothing(tmp_path: Path) -> None:
    bench = _bench(tmp_path, rule("a", "{score: 100}"), before="thresholds: {reject: off}")
    assert isinstance(_hits(bench, "a").decide(), Continue)


# --- Which outcome wins --------------------------------------------------------------------------
OUTCOMES = [
    ("quarantine", Quarantine), ("defer", Defer), ("discard", Discard), ("reject", Reject),
]  # fmt: skip


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("index", range(len(OUTCOMES) - 1))
def test_the_stronger_outcome_wins_in_any_order(tmp_path: Path, index: int, turned: bool) -> None:
    (weak, _), (strong, decision) = OUTCOMES[index], OUTCOMES[index + 1]
    lines = [rule("weak", weak), rule("strong", strong)]
    bench = _bench(tmp_path, *(reversed(lines) if turned else lines))
    judgement = _hits(bench, "weak", "strong").judge()
    assert isinstance(judgement.decision, decision)
    assert judgement.by == "strong"


def test_of_equal_outcomes_the_first_rule_wins(tmp_path: Path) -> None:
    bench = _bench(tmp_path, rule("first", "reject"), rule("second", "reject"))
    assert _hits(bench, "first", "second").judge().by == "first"


def test_of_equal_outcomes_the_first_rule_wins_though_its_answer_comes_last(tmp_path: Path) -> None:
    bench = _bench(tmp_path, rule("first", "reject", "look-up"), rule("second", "reject", "look-up"))
    done: list[str] = []

    async def main() -> str:
        second = asyncio.Event()

        async def slow() -> Finding:
            await second.wait()
            done.append("first")
            return HIT

        async def quick() -> Finding:
            await asyncio.sleep(0)
            done.append("second")
            second.set()
            return HIT

        bench.finds.update(first=slow, second=quick)
        return (await bench.judging(Stage.RCPT)).by

    assert asyncio.run(main()) == "first"
    assert done == ["second", "first"]


# --- Phases --------------------------------------------------------------------------------------
def test_what_is_at_hand_is_asked_before_look_ups_and_those_before_state(tmp_path: Path) -> None:
    bench = _bench(
        tmp_path,
        rule("state", "watch", "stateful"),
        rule("dns", "watch", "look-up"),
        rule("list", "watch"),
        rule("friend", "accept", "look-up"),
    )
    bench.judge()
    assert bench.asked == ["friend", "list", "dns", "state"]


def test_an_accepted_mail_is_asked_nothing_more(tmp_path: Path) -> None:
    bench = _bench(tmp_path, rule("foe", "reject"), rule("friend", "accept"))
    judgement = _hits(bench, "foe", "friend").judge()
    assert judgement.decision == Accept("friend")
    assert bench.asked == ["friend"]
    assert of(judgement, "foe").skipped == "decided: friend"


@pytest.mark.parametrize("final", ["reject", "discard"])
def test_there_is_no_look_up_after_a_final_word(tmp_path: Path, final: str) -> None:
    bench = _bench(tmp_path, rule("list", final), rule("dns", "reject", "look-up"))
    _hits(bench, "list").judge()
    assert bench.asked == ["list"]


def test_there_is_no_look_up_once_the_score_is_enough_to_reject(tmp_path: Path) -> None:
    bench = _bench(
        tmp_path,
        rule("list", "{score: 6}"),
        rule("dns", "reject", "look-up"),
        before="thresholds: {reject: 6}",
    )
    _hits(bench, "list").judge()
    assert bench.asked == ["list"]


def test_a_deferred_mail_is_still_looked_up_but_spares_state(tmp_path: Path) -> None:
    bench = _bench(
        tmp_path, rule("list", "defer"), rule("dns", "reject", "look-up"), rule("state", "defer", "stateful")
    )
    assert isinstance(_hits(bench, "list", "dns").decide(), Reject)
    assert bench.asked == ["list", "dns"]


def test_rules_by_score_see_the_score_of_all_others(tmp_path: Path) -> None:
    bench = _bench(
        tmp_path,
        rule("grey", "defer", when="[suspicious]"),
        rule("dns", "{score: 4}", "look-up"),
        before="thresholds: {greylist: 4}",
    )
    assert isinstance(_hits(bench, "grey", "dns").decide(), Defer)


def test_a_rule_by_score_is_not_asked_below_it(tmp_path: Path) -> None:
    bench = _bench(
        tmp_path,
        rule("grey", "defer", when="[suspicious]"),
        rule("dns", "{score: 3.9}", "look-up"),
        before="thresholds: {greylist: 4}",
    )
    judgement = _hits(bench, "grey", "dns").judge()
    assert of(judgement, "grey").skipped == "when: not suspicious"


# --- Modes ---------------------------------------------------------------------------------------
def test_a_rule_that_is_off_is_not_asked(tmp_path: Path) -> None:
    bench = _bench(tmp_path, rule("a", "reject", mode="off"))
    assert bench.judge().judged == ()
    assert bench.asked == []


def test_a_shadow_rule_says_what_it_would_have_done(tmp_path: Path) -> None:
    judgement = _hits(_bench(tmp_path, rule("a", "reject", mode="shadow")), "a").judge()
    assert judgement.decision == Continue()
    assert isinstance(judgement.would, Reject)
    assert of(judgement, "a").outcome == "reject"
    assert not of(judgement, "a").enforced


def test_a_shadow_score_does_not_count(tmp_path: Path) -> None:
    bench = _bench(tmp_path, rule("a", "{score: 9}", mode="shadow"), before="thresholds: {reject: 6}")
    judgement = _hits(bench, "a").judge()
    assert judgement.score == 0
    assert isinstance(judgement.would, Reject)


def test_nothing_is_said_where_a_shadow_rule_would_change_nothing(tmp_path: Path) -> None:
    bench = _bench(tmp_path, rule("a", "reject"), rule("b", "reject", mode="shadow"))
    assert _hits(bench, "a", "b").judge().would is None


def test_a_shadow_rule_does_not_spare_what_comes_after_it(tmp_path: Path) -> None:
    bench = _bench(tmp_path, rule("a", "reject", mode="shadow"), rule("b", "{score: 1}", "look-up"))
    assert _hits(bench, "a", "b").judge().score == 1


def test_a_canary_bites_its_share_of_the_clients(tmp_path: Path) -> None:
    bench = _hits(_bench(tmp_path, rule("a", "reject", mode="{canary: 25%}")), "a")
    bitten = 0
    for number in range(400):
        bench.open()
        bitten += isinstance(bench.decide(client_address=number), Reject)
    assert 60 <= bitten <= 140


def test_a_canary_is_steady_for_a_client(tmp_path: Path) -> None:
    bench = _hits(_bench(tmp_path, rule("a", "reject", mode="{canary: 50%}")), "a")
    answers = []
    for _ in range(5):
        bench.open()
        answers.append(of(bench.judge(), "a").mode)
    assert len(set(answers)) == 1


def test_a_canary_of_all_is_enforced(tmp_path: Path) -> None:
    bench = _hits(_bench(tmp_path, rule("a", "reject", mode="{canary: 100%}")), "a")
    judgement = bench.judge()
    assert isinstance(judgement.decision, Reject)
    assert judgement.would is None


def test_a_rule_runs_until_the_end_of_its_last_day(tmp_path: Path) -> None:
    bench = _hits(_bench(tmp_path, rule("a", "reject", until="2027-01-31")), "a")
    bench.clock.now = 1_801_439_999.0  # 2027-01-31 23:59:59 UTC
    assert isinstance(bench.decide(), Reject)
    bench.clock.now += 1
    judgement = bench.judge()
    assert judgement.decision == Continue()
    assert of(judgement, "a").skipped == "until: has passed"


# --- What is recorded ----------------------------------------------------------------------------
def test_hits_and_misses_are_recorded(tmp_path: Path) -> None:
    bench = _bench(tmp_path, rule("a", "watch"), rule("b", "watch"), rule("c", "watch", unless="[tls]"))
    bench.finds.update(a=HIT, b=Clear("fine"))
    judgement = bench.judge(encryption_protocol="TLSv1.3")
    assert of(judgement, "a").finding == HIT
    assert of(judgement, "b").finding == Clear("fine")
    assert of(judgement, "c").finding is None
    assert of(judgement, "c").skipped == "unless: tls"


def test_a_message_has_one_trace_id_and_another_message_another(tmp_path: Path) -> None:
    bench = _bench(tmp_path, rule("a", "watch"))
    first = bench.judge().trace
    assert bench.judge(Stage.DATA).trace == first
    bench.open()
    assert bench.judge().trace != first


# --- Holds in their phase ------------------------------------------------------------------------
def test_a_rejected_mail_opens_no_ticket(tmp_path: Path) -> None:
    bench = _hits(_bench(tmp_path, rule("bad", "reject"), rule("new", "hold")), "bad", "new")
    assert isinstance(bench.decide(), Reject)
    assert asyncio.run(bench.tools.store.holds.tickets()) == ()


def test_a_hold_is_stronger_than_a_deferral(tmp_path: Path) -> None:
    bench = _hits(_bench(tmp_path, rule("slow", "defer"), rule("new", "hold")), "slow", "new")
    assert isinstance(bench.decide(), Hold)


def test_who_is_greylisted_opens_no_ticket_yet(tmp_path: Path) -> None:
    bench = _bench(tmp_path, rule("grey", "defer", "delaying"), rule("new", "hold"))
    assert isinstance(_hits(bench, "grey", "new").decide(), Defer)
    assert asyncio.run(bench.tools.store.holds.tickets()) == ()


def test_a_reason_is_one_of_the_two_that_scored_most(tmp_path: Path) -> None:
    bench = _bench(
        tmp_path,
        rule("least", "{score: 1}", reason="Least."),
        rule("most", "{score: 4}", reason="Most."),
        rule("more", "{score: 2}", reason="More."),
        before="thresholds: {reject: 6}",
    )
    decision = _hits(bench, "least", "most", "more").decide()
    assert isinstance(decision, Reject)
    assert decision.reply.text.startswith("This mail looks unwanted. Most. More. [")


def test_values_of_the_hit_stand_in_the_reply(tmp_path: Path) -> None:
    bench = _bench(tmp_path, rule("a", "reject", reason='"{word} from {client_ip}."'))
    bench.finds["a"] = Hit("told", "", {"word": "spam"})
    decision = bench.decide()
    assert isinstance(decision, Reject)
    assert decision.reply.text == f"spam from 192.0.2.1. [{bench.case.trace}]"


def test_what_rcpt_told_is_not_told_again(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path,
        rules(
            rule("a", "{score: 1}"), rule("s", "reject", mode="shadow"), rule("late", "watch", stage="data")
        ),
    )
    bench.finds["a"] = bench.finds["s"] = bench.finds["late"] = HIT
    at_rcpt = bench.judge().news()
    assert {each.rule for each in at_rcpt.judged} == {"a", "s"}
    assert at_rcpt.would is not None
    at_data = bench.judge(Stage.DATA)
    assert (at_data.score, len(at_data.judged)) == (1, 3)
    assert [each.rule for each in at_data.news().judged] == ["late"]
    assert at_data.news().would is None
    assert bench.judge(Stage.EOM).news().judged == ()


def test_each_recipient_is_told_all(tmp_path: Path) -> None:
    bench = Bench(tmp_path, rules(rule("a", "{score: 1}")))
    bench.finds["a"] = HIT
    for text in ("bob@example.org", "alice@example.org"):
        assert [each.rule for each in bench.judge(**recipient(text)).news().judged] == ["a"]
