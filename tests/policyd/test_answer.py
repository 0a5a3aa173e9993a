"""Decisions in the policy protocol's words."""

import pytest

from policyd.answer import action_of
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
