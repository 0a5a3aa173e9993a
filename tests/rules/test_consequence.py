"""What follows: replies, their texts, tags."""

from pathlib import Path

import pytest

from postward.decision import (
    AddHeader,
    ChangeHeader,
    Continue,
    Decision,
    Defer,
    Discard,
    Quarantine,
    Reject,
    Reply,
)
from postward.finding import Hit, Unsure
from postward.mail import HeaderField
from postward.stage import Door, Stage
from tests.rules.judging import HIT, Bench, rule, rules


def _decide(tmp_path: Path, line: str) -> tuple[Decision, str]:
    bench = Bench(tmp_path, rules(line))
    bench.finds["a"] = HIT
    return bench.decide(), bench.case.trace


def _reply(decision: Decision) -> Reply:
    assert isinstance(decision, Reject | Defer)
    return decision.reply


# --- Replies -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("then", "code", "enhanced"),
    [
        ("reject", 550, "5.7.1"),
        ("defer", 450, "4.7.1"),
        ("{reject: {code: 554, enhanced: 5.7.25}}", 554, "5.7.25"),
        ("{defer: {code: 451, enhanced: 4.3.0}}", 451, "4.3.0"),
        ("{reject: {code: 554}}", 554, "5.7.1"),
    ],
)
def test_codes_of_a_reply(tmp_path: Path, then: str, code: int, enhanced: str) -> None:
    reply = _reply(_decide(tmp_path, rule("a", then))[0])
    assert (reply.code, reply.enhanced) == (code, enhanced)


def test_a_reply_says_reason_remedy_and_trace(tmp_path: Path) -> None:
    line = rule("a", "reject", reason='"No."', remedy='"Ask."')
    decision, trace = _decide(tmp_path, line)
    assert str(_reply(decision)) == f"550 5.7.1 No. Ask. [{trace}]"


@pytest.mark.parametrize(
    ("then", "text"),
    [
        ("reject", "This server does not take this mail."),
        ("defer", "Not now, but trying again later helps; your server does so by itself."),
    ],
)
def test_a_rule_without_words(tmp_path: Path, then: str, text: str) -> None:
    decision, trace = _decide(tmp_path, rule("a", then))
    assert _reply(decision).text == f"{text} [{trace}]"


def test_a_long_reply_is_cut_and_keeps_its_trace(tmp_path: Path) -> None:
    line = rule("a", "reject", reason=f'"{"r" * 390}"', remedy=f'"{"m" * 390}"')
    decision, trace = _decide(tmp_path, line)
    text = _reply(decision).text
    assert text.endswith(f"mmm... [{trace}]")
    assert len(str(_reply(decision))) + 2 <= 512  # RFC 5321 4.5.3.1.5, with CRLF


@pytest.mark.parametrize(("then", "kind"), [("discard", Discard), ("quarantine", Quarantine)])
def test_what_is_not_told_to_the_client_names_the_rule(tmp_path: Path, then: str, kind: type) -> None:
    decision, trace = _decide(tmp_path, rule("a", then))
    assert decision == kind(f"a [{trace}]")


@pytest.mark.parametrize("then", ["watch", "{score: 3}"])
def test_nothing_follows_from_a_note_or_a_score(tmp_path: Path, then: str) -> None:
    assert _decide(tmp_path, rule("a", then))[0] == Continue()


@pytest.mark.parametrize(("unsure", "words"), [("defer", "try again later"), ("reject", "could not check")])
def test_a_reply_for_what_could_not_be_told(tmp_path: Path, unsure: str, words: str) -> None:
    bench = Bench(tmp_path, rules(rule("a", "reject", unsure=unsure, reason='"You are bad."')))
    bench.finds["a"] = Unsure("timeout at 192.0.2.53")
    text = _reply(bench.decide()).text
    assert words in text
    assert "bad" not in text
    assert "192.0.2.53" not in text


def test_the_detail_of_a_hit_is_not_told_to_the_client(tmp_path: Path) -> None:
    bench = Bench(tmp_path, rules(rule("a", "reject", reason='"No."')))
    bench.finds["a"] = Hit("told", "entry 17 of our secret list")
    assert "secret" not in _reply(bench.decide()).text


def test_a_threshold_gives_no_reason_for_what_could_not_be_told(tmp_path: Path) -> None:
    line = rule("a", "reject", unsure="{score: 9}")
    bench = Bench(tmp_path, rules(line, before="thresholds: {reject: 6}"))
    bench.finds["a"] = Unsure("timeout")
    assert _reply(bench.decide()).text.startswith("This mail looks unwanted. It scored too high. [")


def test_a_threshold_that_defers(tmp_path: Path) -> None:
    bench = Bench(tmp_path, rules(rule("a", "{score: 6}"), before="thresholds: {defer: 6}"))
    bench.finds["a"] = HIT
    assert _reply(bench.decide()).code == 450


def test_a_threshold_that_quarantines_says_the_score(tmp_path: Path) -> None:
    bench = Bench(tmp_path, rules(rule("a", "{score: 6.25}"), before="thresholds: {quarantine: 6}"))
    bench.finds["a"] = HIT
    assert bench.decide() == Quarantine(f"score 6.2 [{bench.case.trace}]")


# --- Tags ----------------------------------------------------------------------------------------
def _edits(tmp_path: Path, then: str, *headers: HeaderField, before: str = "") -> tuple[object, ...]:
    bench = Bench(tmp_path, rules(rule("a", then, stage="eom", at="milter"), before=before), door=Door.MILTER)
    bench.finds["a"] = HIT
    return bench.judge(Stage.EOM, headers=headers).edits


def test_a_tag_adds_our_field_with_the_rules_name(tmp_path: Path) -> None:
    assert _edits(tmp_path, "tag") == (AddHeader("X-Postward-Tag", "a"),)


def test_a_tag_adds_the_field_that_it_names(tmp_path: Path) -> None:
    assert _edits(tmp_path, "{tag: {header: X-Spam}}") == (AddHeader("X-Spam", "a"),)


def test_a_tag_puts_its_word_before_the_subject(tmp_path: Path) -> None:
    subject = HeaderField(b"SUBJECT", b" Hello")
    then = '{tag: {subject: "[SPAM]"}}'
    assert _edits(tmp_path, then, subject) == (ChangeHeader("Subject", "[SPAM] Hello"),)


def test_a_folded_subject_is_unfolded(tmp_path: Path) -> None:
    subject = HeaderField(b"Subject", b" Hello\r\n world\n again")
    [edit] = _edits(tmp_path, '{tag: {subject: "[SPAM]"}}', subject)
    assert edit == ChangeHeader("Subject", "[SPAM] Hello world again")


def test_a_subject_is_not_tagged_twice(tmp_path: Path) -> None:
    subject = HeaderField(b"Subject", b" [SPAM] Hello")
    assert _edits(tmp_path, '{tag: {subject: "[SPAM]"}}', subject) == ()


def test_a_message_without_a_subject_gets_one(tmp_path: Path) -> None:
    assert _edits(tmp_path, '{tag: {subject: "[SPAM]"}}') == (AddHeader("Subject", "[SPAM]"),)


def test_a_tag_can_do_both(tmp_path: Path) -> None:
    edits = _edits(tmp_path, '{tag: {subject: "[SPAM]", header: X-Spam}}')
    assert edits == (AddHeader("Subject", "[SPAM]"), AddHeader("X-Spam", "a"))


def test_the_tag_threshold_adds_the_score(tmp_path: Path) -> None:
    edits = _edits(tmp_path, "{score: 6}", before="thresholds: {tag: 6}")
    assert edits == (AddHeader("X-Postward-Tag", "score 6.0"),)


def test_nothing_is_edited_before_the_end_of_the_message(tmp_path: Path) -> None:
    bench = Bench(tmp_path, rules(rule("a", "{score: 9}"), before="thresholds: {tag: 6}"))
    bench.finds["a"] = HIT
    assert bench.judge(Stage.DATA).edits == ()


def test_a_shadow_tag_edits_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, rules(rule("a", "tag", mode="shadow")), door=Door.MILTER)
    bench.finds["a"] = HIT
    assert bench.judge(Stage.EOM).edits == ()
