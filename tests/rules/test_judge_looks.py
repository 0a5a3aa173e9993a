"""Judging: what was found is remembered, looks run together, and none is waited for too long."""

import asyncio
import logging
from pathlib import Path

import pytest

from postward.decision import Continue, Defer
from postward.finding import Finding, Unsure
from postward.stage import Door, Stage
from tests.rules.judging import HIT, Bench, of, recipient, rule, rules


def _bench(tmp_path: Path, *lines: str, before: str = "", door: Door = Door.POLICYD) -> Bench:
    return Bench(tmp_path, rules(*lines, before=before), door=door)


def _hits(bench: Bench, *keys: str) -> Bench:
    bench.finds.update(dict.fromkeys(keys, HIT))
    return bench


# --- Memory --------------------------------------------------------------------------------------
def test_fifty_recipients_cost_one_look(tmp_path: Path) -> None:
    bench = _hits(_bench(tmp_path, rule("a", "{score: 1}", "look-up")), "a")
    for number in range(50):
        assert bench.judge(**recipient(f"u{number}@example.org")).score == 1
    assert bench.asked == ["a"]


def test_a_rule_about_the_recipient_is_asked_once_for_each(tmp_path: Path) -> None:
    bench = _bench(tmp_path, rule("a", "reject", reads="recipient"))
    for name in ("x@example.org", "y@example.org", "x@example.org"):
        bench.judge(**recipient(name))
    assert bench.asked == ["a", "a"]


def test_asking_again_gives_the_same_and_books_nothing_twice(tmp_path: Path) -> None:
    bench = _hits(_bench(tmp_path, rule("a", "defer", "stateful", reads="recipient")), "a")
    first, second = bench.judge(), bench.judge()
    assert first.decision == second.decision
    assert bench.asked == ["a"]


def test_two_rules_with_the_same_question_ask_it_once(tmp_path: Path) -> None:
    lines = [
        f"  - {{name: {name}, check: look-up, with: {{key: same}}, then: {{score: 1}}}}\n" for name in "ab"
    ]
    bench = _bench(tmp_path, *lines)

    async def soon() -> Finding:
        await asyncio.sleep(0)
        return HIT

    bench.finds["same"] = soon
    assert bench.judge().score == 2
    assert bench.asked == ["same"]


def test_a_late_look_is_not_waited_for_again(tmp_path: Path) -> None:
    bench = _bench(tmp_path, rule("a", "reject", "look-up"))
    bench.finds["a"] = _never
    bench.judge(within=0.01)
    bench.judge(within=0.01, **recipient("other@example.org"))
    assert bench.asked == ["a"]


def test_the_stages_of_a_message_share_what_was_found(tmp_path: Path) -> None:
    bench = _hits(_bench(tmp_path, rule("a", "{score: 1}")), "a")
    assert [bench.judge(stage).score for stage in Stage] == [1, 1, 1, 1, 1, 1]
    assert bench.asked == ["a"]


# --- Deadlines and trouble -----------------------------------------------------------------------
async def _never() -> Finding:
    await asyncio.Event().wait()
    raise AssertionError


def test_looks_run_at_the_same_time(tmp_path: Path) -> None:
    names = ("a", "b", "c")
    bench = _bench(tmp_path, *(rule(name, "{score: 1}", "look-up") for name in names))

    async def main() -> float:
        meeting = asyncio.Barrier(3)  # nobody goes on before all three are under way

        async def meet() -> Finding:
            await meeting.wait()
            return HIT

        bench.finds.update(dict.fromkeys(names, meet))
        return (await bench.judging(Stage.RCPT, within=5)).score

    assert asyncio.run(main()) == 3


def test_three_looks_of_20_ms_cost_20_ms(tmp_path: Path) -> None:
    names = ("a", "b", "c")
    bench = _bench(tmp_path, *(rule(name, "{score: 1}", "look-up") for name in names))

    async def slow() -> Finding:
        await asyncio.sleep(0.02)
        return HIT

    async def main() -> float:
        began = asyncio.get_running_loop().time()
        await bench.judging(Stage.RCPT)
        return asyncio.get_running_loop().time() - began

    bench.finds.update(dict.fromkeys(names, slow))
    assert min(asyncio.run(main()) for _ in range(3) if bench.open()) < 0.055


def test_a_look_that_hangs_is_given_up_and_the_others_count(tmp_path: Path) -> None:
    bench = _bench(tmp_path, rule("hangs", "reject", "look-up"), rule("b", "{score: 1}", "look-up"))
    bench.finds.update(hangs=_never, b=HIT)
    judgement = bench.judge(within=0.01)
    assert judgement.score == 1
    assert isinstance(of(judgement, "hangs").finding, Unsure)
    assert of(judgement, "b").finding == HIT


def test_a_look_that_is_given_up_is_cancelled(tmp_path: Path) -> None:
    bench = _bench(tmp_path, rule("hangs", "reject", "look-up"))
    ended: list[str] = []

    async def hang() -> Finding:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")
        raise AssertionError

    bench.finds["hangs"] = hang
    bench.judge(within=0.01)
    assert ended == ["cancelled"]


def test_a_judgement_that_is_given_up_ends_its_looks(tmp_path: Path) -> None:
    bench = _bench(tmp_path, rule("hangs", "reject", "look-up"))
    ended: list[str] = []
    under_way = asyncio.Event()

    async def hang() -> Finding:
        try:
            under_way.set()
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")
        raise AssertionError

    async def main() -> None:
        bench.finds["hangs"] = hang
        task = asyncio.create_task(bench.judging(Stage.RCPT))
        await under_way.wait()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(main())
    assert ended == ["cancelled"]


def test_nothing_follows_from_a_look_that_could_not_tell(tmp_path: Path) -> None:
    bench = _bench(tmp_path, rule("a", "reject"))
    bench.finds["a"] = Unsure("no answer")
    assert bench.decide() == Continue()


def test_unsure_says_what_follows_from_a_look_that_could_not_tell(tmp_path: Path) -> None:
    bench = _bench(tmp_path, rule("a", "reject", unsure="defer"))
    bench.finds["a"] = Unsure("no answer")
    decision = bench.decide()
    assert isinstance(decision, Defer)
    assert decision.reply.text.startswith("We cannot tell yet")


@pytest.mark.checks_fail
@pytest.mark.parametrize("waits", [False, True])
def test_a_check_that_fails_could_not_tell_and_is_logged(
    tmp_path: Path, waits: bool, caplog: pytest.LogCaptureFixture
) -> None:
    bench = _bench(tmp_path, rule("bad", "reject", "look-up"), rule("good", "{score: 1}", "look-up"))

    async def fail() -> Finding:
        await asyncio.sleep(0)
        raise KeyError("x")

    bench.finds.update(bad=fail if waits else KeyError("x"), good=HIT)
    with caplog.at_level(logging.ERROR, "postward.judge"):
        judgement = bench.judge()
    assert of(judgement, "bad").finding == Unsure("the check failed: KeyError")
    assert judgement.score == 1
    assert [record.message for record in caplog.records] == ["rule bad: check look-up failed"]
