"""Decisions in the milter's words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milters import answer
from milters.actions import ChangeHeader, InsertHeader, ReplaceBody, ReplyCode, encode
from milters.actions import Reply as Plain
from postward import decision as said
from postward.decision import Accept, Continue, Defer, Discard, Hold, Quarantine, Reject, Reply

NO = Reply(550, "5.7.1", "no")
LATER = Reply(450, "4.7.1", "later")


@pytest.mark.parametrize(
    ("decision", "spoken"),
    [
        (Continue(), Plain.CONTINUE),
        (Accept("x"), Plain.ACCEPT),
        (Reject(NO), ReplyCode(550, "5.7.1", "no")),
        (Defer(LATER), ReplyCode(450, "4.7.1", "later")),
        (Hold(LATER, "b.example"), ReplyCode(450, "4.7.1", "later")),
        (Quarantine("x"), Plain.CONTINUE),
        (Discard("x"), Plain.DISCARD),
    ],
)
def test_each_decision_has_its_reply(decision, spoken):
    assert answer.reply(decision) == spoken


def test_before_the_end_nothing_is_accepted_for_good():
    assert answer.before_end(Accept("x")) == (Plain.CONTINUE,)


@pytest.mark.parametrize(
    ("choice", "first"),
    [("tempfail", 451), ("reject", 554), ("accept", Plain.ACCEPT)],
)
def test_trouble_is_answered_as_configured(choice, first):
    (spoken,) = answer.trouble(choice)
    assert first in (spoken, getattr(spoken, "code", None))


@given(st.text(max_size=2_000))
def test_any_reply_text_is_one_short_line(text):
    _, octets = encode(answer.reply(Reject(Reply(550, "5.7.1", text))))
    line = octets[:-1].replace(b"%%", b"%")
    assert len(line) <= 510
    assert all(0x20 <= octet < 0x7F for octet in line)
    assert octets.replace(b"%%", b"").count(b"%") == 0


@given(st.text(max_size=500))
def test_any_reason_for_the_hold_queue_is_one_printable_line(why):
    assert answer.put_on_hold(why).why.isprintable()


def test_changes_go_from_the_last_to_the_first_before_what_is_added():
    edits = [
        said.AddHeader("X-New", "1", 0),
        said.ChangeHeader("Subject", "b", 1),
        said.DropHeader("Subject", 2),
        said.ReplaceBody(b"x"),
    ]
    assert answer.spell([said.DropHeader("X-Old", 3)], edits, False) == (
        ChangeHeader(3, "X-Old", ""),
        ChangeHeader(2, "Subject", ""),
        ChangeHeader(1, "Subject", "b"),
        InsertHeader(0, "X-New", "1"),
        ReplaceBody(b"x"),
    )


def test_a_field_that_must_go_is_not_changed_instead():
    edits = [said.ChangeHeader("authentication-results", "x", 1)]
    assert answer.spell([said.DropHeader("Authentication-Results", 1)], edits, True) == (
        ChangeHeader(1, "Authentication-Results", ""),
    )


@given(st.text(max_size=60), st.text(max_size=300), st.booleans())
def test_no_edit_breaks_a_header(name, value, leading_space):
    edits = [said.AddHeader(name, value), said.ChangeHeader(name, value)]
    for action in answer.spell((), edits, leading_space):
        assert action.value
        assert action.value.isascii()
        assert all(line.isprintable() for line in action.value.split("\n"))
        assert ":" not in action.name
