"""What is asked of the MTA for which rules."""

import pytest

from milters.events import Header, MailFrom, Negotiate, RcptTo
from milters.negotiate import agree, plan
from milters.settings import MilterSettings
from milters.wire import Offer, ProtocolError, Steps
from postward.stage import Stage
from tests.milters.scripted import ScriptedRules

ALL = Negotiate(6, Offer.ALL, Steps.ALL)
BARE = MilterSettings("mx.example.org", authentication_results=False, verdict_header=False, findings=False)


def test_nothing_to_do_asks_for_nothing():
    terms = agree(ALL, plan(BARE, ScriptedRules(at=frozenset())))
    assert terms.answer.actions == 0
    for step in (Steps.NO_CONNECT, Steps.NO_HELO, Steps.NO_MAIL, Steps.NO_RCPT, Steps.NO_DATA):
        assert terms.answer.steps & step
    assert terms.answer.steps & Steps.NO_HEADERS
    assert terms.answer.steps & Steps.NO_BODY


def test_postfix_waits_only_where_something_may_be_decided():
    terms = agree(ALL, plan(BARE, ScriptedRules(at=frozenset({Stage.RCPT}))))
    assert MailFrom in terms.silent
    assert RcptTo not in terms.silent
    assert Header in terms.silent


def test_headers_come_with_their_leading_space():
    terms = agree(ALL, plan(MilterSettings("mx.example.org"), ScriptedRules(at=frozenset())))
    assert terms.leading_space
    assert not terms.answer.steps & Steps.NO_HEADERS


def test_only_the_actions_that_can_be_used():
    terms = agree(ALL, plan(MilterSettings("mx.example.org"), ScriptedRules(at=frozenset())))
    assert terms.answer.actions == Offer.ADD_HEADERS | Offer.CHANGE_HEADERS | Offer.SET_MACROS


def test_no_step_is_asked_for_that_was_not_offered():
    terms = agree(Negotiate(2, 0x3F, 0x7F), plan(MilterSettings("mx.example.org"), ScriptedRules()))
    assert terms.answer.version == 2
    assert terms.answer.steps & ~0x7F == 0
    assert terms.answer.macros == ()
    assert not terms.leading_space


def test_a_newer_version_gets_ours():
    assert agree(Negotiate(7, Offer.ALL, Steps.ALL), plan(BARE, ScriptedRules())).answer.version == 6


def test_a_version_before_two_is_refused():
    with pytest.raises(ProtocolError, match="version 1"):
        agree(Negotiate(1, Offer.ALL, Steps.ALL), plan(BARE, ScriptedRules()))


def test_too_few_actions_are_refused():
    with pytest.raises(ProtocolError, match="actions"):
        agree(Negotiate(6, 0, Steps.ALL), plan(MilterSettings("mx.example.org"), ScriptedRules()))
