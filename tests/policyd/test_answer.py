"""Decisions in the policy protocol's words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyd.answer import MAX_REPLY, action_of
from policyd.wire import answer
from postward.carried import Carried, CarriedSpf, seal
from postward.decision import (
    Accept,
    Continue,
    Decision,
    Defer,
    Discard,
    Hold,
    Quarantine,
    Reject,
    Reply,
)


@pytest.mark.parametrize(
    ("decision", "action"),
    [
        (Continue(), "DUNNO"),
        (Accept("allow-client"), "DUNNO"),  # never OK: it would end the restriction list
        (Reject(Reply(550, "5.7.1", "no [T]")), "550 5.7.1 no [T]"),
        (Defer(Reply(450, "4.7.1", "later [T]")), "450 4.7.1 later [T]"),
        (Hold(Reply(450, "4.7.1", "held [T]"), "x.example"), "450 4.7.1 held [T]"),
        (Quarantine("why [T]"), "HOLD why [T]"),
        (Discard("why [T]"), "DISCARD why [T]"),
    ],
)
def test_each_decision_has_its_action(decision: Decision, action: str) -> None:
    assert action_of(decision) == action


@pytest.mark.parametrize("decision", [Continue(), Accept("x")])
def test_findings_are_prepended_to_mail_that_goes_on(decision: Decision) -> None:
    assert action_of(decision, "v=1; m=0") == "PREPEND X-Postward-Findings: v=1; m=0"


def test_findings_are_not_given_with_a_refusal() -> None:
    assert action_of(Reject(Reply(550, "5.7.1", "no")), "v=1") == "550 5.7.1 no"


ANY = st.text(max_size=3000)
REPLIES = st.builds(Reply, st.integers(400, 599), ANY, ANY)
REFUSALS = st.one_of(st.builds(Reject, REPLIES), st.builds(Defer, REPLIES), st.builds(Hold, REPLIES, ANY))
DECISIONS = st.one_of(
    REFUSALS, st.builds(Quarantine, ANY), st.builds(Discard, ANY), st.builds(Accept, ANY), st.just(Continue())
)
CARRIED = st.builds(
    Carried,
    trace=st.just("NG4ZPSZQDP"),
    score=st.floats(-1000, 1000),
    accepted_by=st.text("abc-", max_size=64),
    hits=st.lists(st.tuples(st.text("abc-", min_size=1, max_size=64), st.floats(-99, 99)), max_size=60).map(
        tuple
    ),
    spf=st.none() | st.builds(CarriedSpf, ANY, ANY, ANY, ANY),
)


def _line(decision: Decision, findings: str = "") -> bytes:
    """The one line of the answer."""
    line, end, rest = answer(action_of(decision, findings)).partition(b"\n\n")
    assert (end, rest) == (b"\n\n", b"")
    return line


@given(DECISIONS, ANY)
def test_any_decision_is_one_line_that_mail_can_carry(decision: Decision, findings: str) -> None:
    line = _line(decision, findings)
    assert len(line) <= 998
    assert not set(line) & set(b"\r\n\0")
    assert line.isascii() and line.decode().isprintable()


@given(REFUSALS)
def test_any_reply_fits_into_an_smtp_reply_line(decision: Decision) -> None:
    reply = _line(decision).removeprefix(b"action=")
    assert len(reply) <= MAX_REPLY == 512 - len("\r\n")
    assert reply[:3].isdigit()


@given(CARRIED)
def test_any_findings_go_out_whole(carried: Carried) -> None:
    findings = seal(b"k" * 32, "4bXyZ12345zQ", carried)
    assert _line(Continue(), findings).decode() == f"action=PREPEND X-Postward-Findings: {findings}"
