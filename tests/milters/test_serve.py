"""The asyncio transport, over a real unix socket."""

import logging
import time

import pytest

from milters.actions import CONTINUE, SILENCE, Reply, ReplyCode
from milters.events import (
    Abort,
    Body,
    Connect,
    Data,
    EndOfMessage,
    Header,
    Helo,
    MailFrom,
    Negotiate,
    Quit,
    RcptTo,
    macros,
)
from milters.settings import MilterSettings
from milters.wire import Offer, Steps
from postward import decision
from postward.decision import Reject
from postward.stage import Stage
from tests.milters.scripted import Records, ScriptedRules, house
from tests.milters.serving import Serving, serving

PLAIN = MilterSettings("mx.example.org", authentication_results=False, verdict_header=False)
NOTHING = MilterSettings("mx.example.org", authentication_results=False, verdict_header=False, findings=False)
CLIENT = Connect(b"client.example", "4", 4711, b"192.0.2.1")
NO = Reject(decision.Reply(550, "5.7.1", "no [0TESTTRACE]"))


def poll(true, seconds=5.0):
    """Wait until `true()`."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.005)


def begin(served: Serving):
    """A client that has come as far as one accepted recipient."""
    client = served.client()
    client.negotiate()
    for event in (CLIENT, Helo(b"client.example"), MailFrom(b"<a@b.example>"), RcptTo(b"<u@x.example>")):
        assert client.ask(event) in (CONTINUE, SILENCE)
    return client


def test_a_message_from_connect_to_end():
    with serving(PLAIN, house(ScriptedRules())) as served, begin(served) as client:
        client.send(macros("T", [("i", "4ABC")]))
        assert client.ask(Data()) == CONTINUE
        assert client.ask(Header(b"From", b" a@b.example")) == SILENCE
        assert client.ask(EndOfMessage()) == CONTINUE


def test_with_nothing_to_do_only_the_end_is_asked_for():
    with serving(NOTHING, house(ScriptedRules(at=frozenset()))) as served, served.client() as client:
        terms = client.negotiate()
        assert terms.actions == 0
        assert terms.steps & Steps.NO_CONNECT
        assert terms.steps & Steps.NO_HEADERS
        for _ in range(2):
            client.send(macros("M", [("i", "x")]))
            assert client.ask(MailFrom(b"<a@b.example>")) == SILENCE
            assert client.ask(EndOfMessage()) == CONTINUE
            assert client.ask(Abort()) == SILENCE


def test_with_nothing_to_do_an_old_mta_that_sends_all_is_answered():
    with serving(NOTHING, house(ScriptedRules(at=frozenset()))) as served, served.client() as client:
        client.negotiate(version=2, offered=0x3F, steps=0)
        for event in (CLIENT, Helo(b"x"), MailFrom(b"<>"), RcptTo(b"<u@x>"), Header(b"a", b"b"), Body(b"x")):
            assert client.ask(event) == CONTINUE


def test_a_broken_packet_closes_that_connection_with_one_line(caplog):
    with serving(PLAIN, house(ScriptedRules())) as served, served.client() as client, begin(served) as other:
        client.send_octets(b"\xff\xff\xff\xff" + b"O")
        with pytest.raises((EOFError, ConnectionResetError)):
            client.answer()
        assert other.ask(Data()) == CONTINUE
    lines = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [line.getMessage() for line in lines] == [
        "milter connection closed: a packet of 4294967295 octets"
    ]


def test_events_out_of_order_close_the_connection(caplog):
    with serving(PLAIN, house(ScriptedRules())) as served, served.client() as client:
        client.negotiate()
        client.send(RcptTo(b"<u@x.example>"))
        with pytest.raises((EOFError, ConnectionResetError)):
            client.answer()
    assert "RcptTo in state NEGOTIATED" in caplog.text


def test_our_own_trouble_is_answered_as_configured(caplog):
    rules = ScriptedRules(error=RuntimeError("secret"), error_at=frozenset({Stage.MAIL}))
    with serving(PLAIN, house(rules)) as served, served.client() as client:
        client.negotiate()
        client.ask(CLIENT)
        (reply,) = client.ask(MailFrom(b"<a@b.example>"))
        assert isinstance(reply, ReplyCode)
        assert reply.code == 451
        assert "secret" not in reply.text
        rules.error = None
        assert client.ask(MailFrom(b"<a@b.example>")) == CONTINUE
    assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == 1


@pytest.mark.parametrize(("choice", "first"), [("accept", Reply.ACCEPT), ("reject", 554), ("tempfail", 451)])
def test_trouble_where_no_reply_is_due_is_told_with_the_next(choice, first, monkeypatch, caplog):
    settings = MilterSettings("mx.example.org", on_trouble=choice)
    with serving(settings, house(ScriptedRules())) as served, begin(served) as client:
        monkeypatch.setattr("milters.intake.header_field", lambda *_: 1 / 0)
        assert client.ask(Header(b"From", b" x")) == SILENCE
        poll(lambda: "ZeroDivisionError" in caplog.text)
        monkeypatch.undo()
        assert client.ask(Header(b"To", b" x")) == SILENCE
        (reply,) = client.ask(EndOfMessage())
        assert first in (reply, getattr(reply, "code", None))
        assert client.ask(MailFrom(b"<a@b.example>")) == CONTINUE


def test_what_arrives_while_a_judgement_waits_is_heard_after_it():
    rules = ScriptedRules(wait=True)
    with serving(PLAIN, house(rules)) as served, served.client() as client:
        client.negotiate()
        for event in (CLIENT, Helo(b"x"), MailFrom(b"<a@b.example>"), RcptTo(b"<u@x.example>"), Quit()):
            client.send(event)
        poll(lambda: rules.waiting == 1)
        served.call(rules.go_on.set)
        assert [client.answer() for _ in range(4)] == [CONTINUE] * 4
        with pytest.raises(EOFError):
            client.answer()
    assert [mail.stage for mail in rules.asked] == [Stage.CONNECT, Stage.HELO, Stage.MAIL, Stage.RCPT]


def test_a_client_that_goes_away_cancels_the_judgement():
    rules = ScriptedRules(wait=True)
    with serving(PLAIN, house(rules)) as served:
        client = served.client()
        client.negotiate()
        client.send(CLIENT)
        poll(lambda: rules.waiting == 1)
        client.close()
        poll(lambda: not served.server.connections)


def test_a_peer_that_never_negotiates_is_closed(caplog):
    settings = MilterSettings("mx.example.org", packet=0.05)
    with (
        serving(settings, house(ScriptedRules())) as served,
        served.client() as client,
        pytest.raises((EOFError, ConnectionResetError)),
    ):
        client.answer()
    assert "said nothing for" in caplog.text


def test_a_peer_that_stops_within_a_packet_is_closed(caplog):
    settings = MilterSettings("mx.example.org", packet=0.05)
    with serving(settings, house(ScriptedRules())) as served, served.client() as client:
        client.negotiate()
        client.send_octets(b"\0\0\0\x10C")
        with pytest.raises((EOFError, ConnectionResetError)):
            client.answer()
    assert "said nothing for" in caplog.text


def test_an_idle_peer_is_closed(caplog):
    settings = MilterSettings("mx.example.org", idle=0.05)
    with serving(settings, house(ScriptedRules())) as served, served.client() as client:
        client.negotiate()
        with pytest.raises((EOFError, ConnectionResetError)):
            client.answer()
    assert "said nothing for" in caplog.text


def test_no_more_connections_than_allowed(caplog):
    settings = MilterSettings("mx.example.org", connections=1)
    with serving(settings, house(ScriptedRules())) as served, served.client() as first:
        first.negotiate()
        with served.client() as second, pytest.raises((EOFError, OSError)):
            second.negotiate()
        assert first.ask(CLIENT) == CONTINUE
        poll(lambda: "1 connections refused" in caplog.text)


def test_drain_finishes_the_message_in_flight_and_closes_after_it():
    rules = ScriptedRules(wait=True)
    rules.go_on.set()
    with serving(PLAIN, house(rules)) as served, begin(served) as client:
        rules.go_on.clear()
        client.send(EndOfMessage())
        poll(lambda: rules.waiting == 1)
        task = served.call(lambda: served.loop.create_task(served.server.drain(10)))
        poll(lambda: served.server.draining)
        served.call(rules.go_on.set)
        assert client.answer() == CONTINUE
        with pytest.raises(EOFError):
            client.answer()
        poll(task.done)
        assert task.result() is True


def test_drain_cuts_what_does_not_end_in_time(caplog):
    with serving(PLAIN, house(ScriptedRules())) as served, begin(served):
        assert served.run(served.server.drain(0.1)) is False
    assert "still busy" in caplog.text


def test_drain_accepts_nobody():
    with serving(PLAIN, house(ScriptedRules())) as served:
        assert served.run(served.server.drain(0.1)) is True
        with pytest.raises(OSError):
            served.client()


def test_a_session_keeps_the_rules_that_it_began_with():
    old, new = ScriptedRules(), ScriptedRules({Stage.MAIL: NO})
    with serving(PLAIN, house(old)) as served, served.client() as before:
        before.negotiate()
        served.server.house = house(new)
        with served.client() as after:
            after.negotiate()
            after.ask(CLIENT)
            assert after.ask(MailFrom(b"<a@b.example>"))[0].code == 550
        before.ask(CLIENT)
        assert before.ask(MailFrom(b"<a@b.example>")) == CONTINUE


def test_a_refusal_is_recorded_once():
    records = Records()
    with serving(PLAIN, house(ScriptedRules({Stage.RCPT: NO}), records)) as served, served.client() as client:
        client.negotiate()
        client.ask(CLIENT)
        client.ask(MailFrom(b"<a@b.example>"))
        assert client.ask(RcptTo(b"<u@x.example>"))[0].code == 550
    ((door, mail, judgement),) = records.seen
    assert (door, mail.recipient.text, judgement.decision) == ("milter", "u@x.example", NO)


def test_an_mta_that_offers_too_little_is_refused(caplog):
    with serving(PLAIN, house(ScriptedRules())) as served, served.client() as client:
        client.send(Negotiate(6, Offer.ADD_HEADERS, Steps.ALL))
        with pytest.raises((EOFError, ConnectionResetError)):
            client.answer()
    assert "the MTA offers actions 0x1" in caplog.text


def test_a_judgement_without_end_is_given_up(monkeypatch, caplog):
    monkeypatch.setattr("milters.serve._GRACE", 0.0)
    settings = MilterSettings("mx.example.org", deadline=0.05)
    with serving(settings, house(ScriptedRules(wait=True))) as served, served.client() as client:
        client.negotiate()
        assert client.ask(CLIENT)[0].code == 451
    assert "CancelledError" in caplog.text


def test_a_peer_that_sends_a_packet_octet_by_octet_is_closed(caplog, monkeypatch):
    monkeypatch.setattr("milters.serve._SWEEP", 0.02)
    settings = MilterSettings("mx.example.org", packet=0.1)
    with serving(settings, house(ScriptedRules())) as served, served.client() as client:
        client.negotiate()
        client.send_octets(b"\0\0\x10\0C")
        with pytest.raises(OSError):
            poll(lambda: client.send_octets(b"a"))  # it gives None: only the error ends this
    assert "said nothing for" in caplog.text
