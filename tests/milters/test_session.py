"""The order of events, and what lasts how long."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milters.actions import CONTINUE, SILENCE, ReplyCode
from milters.events import (
    Abort,
    Body,
    Connect,
    Data,
    EndOfHeaders,
    EndOfMessage,
    Event,
    Header,
    Helo,
    MailFrom,
    Negotiate,
    Quit,
    QuitNewConnection,
    RcptTo,
    Unknown,
    macros,
)
from milters.message import MAX_FIELDS, MAX_HEADER_OCTETS
from milters.session import Session
from milters.settings import MilterSettings
from milters.wire import Offer, ProtocolError, Steps
from postward import eager
from postward.decision import Continue, Quarantine, Reject, Reply
from postward.stage import Stage
from tests.milters.scripted import Records, ScriptedRules, house

SETTINGS = MilterSettings("mx.example.org")
HELLO = Negotiate(6, Offer.ALL, Steps.ALL)
CLIENT = Connect(b"client.example", "4", 4711, b"192.0.2.1")
OTHER = Connect(b"other.example", "4", 4712, b"192.0.2.2")
FROM, TO = MailFrom(b"<a@b.example>"), RcptTo(b"<u@x.example>")
FIELD = Header(b"From", b" a@b.example")
ANY = st.sampled_from(
    [
        HELLO,
        CLIENT,
        Helo(b"x"),
        FROM,
        TO,
        Data(),
        FIELD,
        EndOfHeaders(),
        Body(b"x"),
        EndOfMessage(),
        Abort(),
        Unknown(b"x"),
        macros("M", [("i", "4")]),
        macros("C", []),
        QuitNewConnection(),
        Quit(),
    ]
)


def play(events: list[Event], rules=None, records=None, settings=SETTINGS, at=None):
    """The answers to these events, by the house `at` or one with these rules."""

    async def run():
        session = Session(settings, at or house(rules or ScriptedRules(), records))
        answers = []
        for event in events:
            answer = session.hear(event)
            if not isinstance(answer, tuple):
                started = eager.start(answer)
                answer = started.value if isinstance(started, eager.Ready) else await started
            answers.append(answer)
        return answers

    return asyncio.run(run())


@pytest.mark.parametrize(
    "events",
    [
        [CLIENT],
        [macros("C", [])],
        [Abort()],
        [HELLO, HELLO],
        [HELLO, Helo(b"x")],
        [HELLO, FROM],
        [HELLO, CLIENT, TO],
        [HELLO, CLIENT, Data()],
        [HELLO, CLIENT, FIELD],
        [HELLO, CLIENT, EndOfMessage()],
        [HELLO, CLIENT, FROM, FROM],
        [HELLO, CLIENT, FROM, FIELD, Helo(b"x")],
        [HELLO, CLIENT, FROM, CLIENT],
        [HELLO, CLIENT, FROM, TO, Data(), TO],
        [HELLO, CLIENT, FROM, TO, FIELD, Data()],
        [HELLO, CLIENT, FROM, TO, EndOfHeaders(), FIELD],
        [HELLO, CLIENT, FROM, TO, Body(b"x"), EndOfHeaders()],
        [HELLO, CLIENT, FROM, TO, EndOfMessage(), EndOfMessage()],
        [HELLO, Quit(), CLIENT],
        [HELLO, Quit(), macros("C", [])],
    ],
)
def test_what_must_not_come_now_is_refused(events):
    play(events[:-1])
    with pytest.raises(ProtocolError, match="in state"):
        play(events)


@given(st.lists(ANY, max_size=25))
def test_any_order_is_answered_or_refused(events):
    try:
        play([HELLO, *events])
    except ProtocolError as error:
        assert "in state" in str(error)


@given(st.lists(ANY, max_size=25))
def test_any_order_is_answered_or_refused_by_rules_that_reject_nothing_and_see_nothing(events):
    bare = MilterSettings("mx", authentication_results=False, verdict_header=False, findings=False)
    try:
        answers = play([HELLO, *events], ScriptedRules(at=frozenset()), settings=bare)
    except ProtocolError as error:
        assert "in state" in str(error)
    else:
        assert all(answer in (SILENCE, CONTINUE) for answer in answers[1:])


def test_a_second_connect_is_another_client():
    rules = ScriptedRules()
    play([HELLO, CLIENT, Helo(b"one"), OTHER, Helo(b"two"), FROM], rules)
    last = rules.asked[-1]
    assert (str(last.client_address), last.helo_name) == ("192.0.2.2", "two")


def test_a_second_helo_is_another_case():
    rules = ScriptedRules()
    play([HELLO, CLIENT, Helo(b"one"), macros("H", [("tls_version", "TLSv1.3")]), Helo(b"two"), FROM], rules)
    assert len(rules.cases) == 2
    assert [mail.helo_name for mail in rules.cases[1].asked] == ["two", "two"]
    assert rules.asked[-1].encryption_protocol == "TLSv1.3"


def test_a_helo_in_the_middle_of_a_message_ends_it():
    """Postfix tells of EHLO before the ABORT that it causes."""
    rules = ScriptedRules()
    play([HELLO, CLIENT, FROM, TO, Helo(b"x"), FROM, Abort(), FROM, EndOfMessage()], rules)
    assert rules.asked[-1].recipients == ()
    assert all(not mail.known.get("recipients") for mail in rules.asked)


def test_another_session_on_the_same_connection_begins_with_connect():
    rules = ScriptedRules()
    play([HELLO, CLIENT, Helo(b"one"), FROM, QuitNewConnection(), OTHER, FROM], rules)
    assert str(rules.asked[-1].client_address) == "192.0.2.2"
    assert rules.asked[-1].helo_name == ""


def test_one_case_a_message():
    rules = ScriptedRules()
    message = [FROM, TO, FIELD, EndOfMessage()]
    play([HELLO, CLIENT, Helo(b"x"), *message, *message], rules)
    assert [[mail.stage for mail in case.asked] for case in rules.cases] == [
        [Stage.CONNECT, Stage.HELO, Stage.MAIL, Stage.RCPT, Stage.EOM],
        [Stage.MAIL, Stage.RCPT, Stage.EOM],
    ]


def test_the_login_of_one_message_is_not_the_next_ones():
    rules = ScriptedRules()
    login = macros("M", [("auth_authen", "joe")])
    play([HELLO, CLIENT, login, FROM, TO, EndOfMessage(), macros("M", []), FROM], rules)
    assert rules.asked[-1].sasl_username == ""


def test_a_queue_id_that_comes_late_is_known_at_the_end():
    rules = ScriptedRules()
    play([HELLO, CLIENT, FROM, TO, Data(), macros("T", [("i", "4LATE")]), EndOfMessage()], rules)
    assert rules.asked[-1].queue_id == "4LATE"


def test_rules_are_asked_only_where_something_may_be_decided():
    rules = ScriptedRules(at=frozenset({Stage.RCPT}))
    play([HELLO, CLIENT, Helo(b"x"), FROM, TO, Data(), FIELD, EndOfMessage()], rules)
    assert [mail.stage for mail in rules.asked] == [Stage.RCPT, Stage.EOM]


def test_a_refused_recipient_is_none():
    rules = ScriptedRules({"no@x.example": Reject(Reply(550, "5.7.1", "no"))})
    play([HELLO, CLIENT, FROM, RcptTo(b"<no@x.example>"), TO, EndOfMessage()], rules)
    assert [each.text for each in rules.asked[-1].recipients] == ["u@x.example"]
    assert rules.asked[-1].recipient_count == 1


@pytest.mark.parametrize(
    "fields",
    [
        [Header(b"A", b"x")] * (MAX_FIELDS + 1),
        [Header(b"A", b"x" * 50_000)] * (MAX_HEADER_OCTETS // 50_000 + 1),
    ],
)
def test_a_header_beyond_all_bounds_is_refused_for_good(fields):
    records = Records()
    *_, answer = play([HELLO, CLIENT, FROM, TO, *fields, EndOfMessage()], records=records)
    assert answer == (ReplyCode(552, "5.3.4", "The message header is too large"),)
    assert records.seen[0][2].by == "header too large"


def test_a_message_after_one_that_was_too_large_is_judged():
    fields = [Header(b"A", b"x")] * (MAX_FIELDS + 1)
    *_, answer = play([HELLO, CLIENT, FROM, TO, *fields, EndOfMessage(), FROM, TO, FIELD, EndOfMessage()])
    assert answer[-1:] == CONTINUE


def test_every_message_is_recorded_once_at_its_end():
    records = Records()
    play([HELLO, CLIENT, FROM, TO, FIELD, EndOfMessage(), FROM, TO, EndOfMessage()], records=records)
    assert [(mail.stage, judgement.decision) for _, mail, judgement in records.seen] == [
        (Stage.EOM, Continue())
    ] * 2


def test_the_findings_of_policyd_are_no_part_of_the_header():
    rules = ScriptedRules()
    play([HELLO, CLIENT, FROM, TO, Header(b"X-Postward-Findings", b" x"), FIELD, EndOfMessage()], rules)
    assert [field.name for field in rules.asked[-1].headers] == [b"From"]


def test_spf_that_does_not_come_in_time_is_a_temperror(monkeypatch):
    async def endless(mail, tools):
        await asyncio.Event().wait()

    monkeypatch.setattr("milters.ending.spf", endless)
    settings = MilterSettings("mx.example.org", deadline=0.01, verdict_header=False)
    *_, answer = play([HELLO, CLIENT, FROM, TO, FIELD, EndOfMessage()], settings=settings)
    assert "spf=temperror" in answer[0].value
    assert answer[-1:] == CONTINUE


def test_spf_is_not_waited_for_when_the_mail_is_refused(monkeypatch):
    async def endless(mail, tools):
        await asyncio.Event().wait()

    monkeypatch.setattr("milters.ending.spf", endless)
    rules = ScriptedRules({Stage.EOM: Reject(Reply(550, "5.7.1", "no"))})
    *_, answer = play([HELLO, CLIENT, FROM, TO, FIELD, EndOfMessage()], rules)
    assert answer == (ReplyCode(550, "5.7.1", "no"),)


def test_a_quarantine_that_the_mta_does_not_know_is_deferred():
    rules = ScriptedRules({Stage.EOM: Quarantine("odd")})
    old = Negotiate(6, Offer.ALL & ~Offer.QUARANTINE, Steps.ALL)
    *_, answer = play([old, CLIENT, FROM, TO, EndOfMessage()], rules)
    assert answer[0].code == 451


@pytest.mark.parametrize(
    "between", [[], [Abort()], [CLIENT]], ids=["after its end", "after an abort", "after XCLIENT"]
)
def test_queue_id_and_login_of_a_message_do_not_last_for_the_next(between):
    records = Records()
    known = macros("M", [("auth_authen", "alice"), ("i", "4A")])
    one, two = [known, FROM, TO, EndOfMessage()], [FROM, TO, EndOfMessage()]
    play([HELLO, CLIENT, *one, *between, *two], ScriptedRules({Stage.EOM: Continue()}), records)
    told = [(mail.sasl_username, mail.queue_id) for _, mail, _ in records.seen]
    assert told == [("alice", "4A"), ("", "")]


def test_what_was_judged_is_learned_from() -> None:
    learned: list[Stage] = []
    given = house(ScriptedRules({Stage.RCPT: Continue(), Stage.EOM: Continue()}))
    given.learn = lambda mail, _judgement, _tools: learned.append(mail.stage)

    play([HELLO, CLIENT, FROM, TO, FIELD, EndOfMessage()], at=given)
    assert learned == [Stage.RCPT, Stage.EOM]
