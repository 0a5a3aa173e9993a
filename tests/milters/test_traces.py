"""Every milter session that Postfix was recorded with, whole and cut at every octet."""

import asyncio

import pytest

from milters.events import Event, decode, encode
from milters.session import Session
from milters.settings import MilterSettings
from milters.wire import Decoder, packet
from postward import eager
from postward.mail import Mail
from postward.stage import Stage
from tests.milters.recorded import FOLDERS, policy_requests, sessions
from tests.milters.scripted import ScriptedRules, house

SETTINGS = MilterSettings("mx.test.example")
ALL = [(folder, name) for folder in FOLDERS for name in sessions(folder)]
SHORT = [(folder, name) for folder, name in ALL if sum(map(len, sessions(folder)[name])) < 6_000]

# XCLIENT changed the name alone there, and Postfix told the policy service only.
NOT_TOLD = {("no", "ipv6-client"), ("normalize", "ipv6-client")}


def heard(pieces: list[bytes]) -> list[Event]:
    """The events in a stream that arrives in these pieces."""
    decoder = Decoder()
    return [decode(*packet) for piece in pieces for packet in decoder.feed(piece)]


def facts(events: list[Event]) -> list[Mail]:
    """What the rules are asked about, with all of them asked at every stage."""
    rules = ScriptedRules()

    async def run() -> None:
        session = Session(SETTINGS, house(rules))
        for event in events:
            answer = session.hear(event)
            if not isinstance(answer, tuple):
                assert isinstance(eager.start(answer), eager.Ready)

    asyncio.run(run())
    return rules.asked


def cases(folder: str, case: str) -> list[Mail]:
    """The facts of all connections of one recorded SMTP session."""
    streams = [packets for name, packets in sessions(folder).items() if name.rpartition("-")[0] == case]
    return [mail for packets in streams for mail in facts(heard(packets))]


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_recorded_session_is_understood(folder):
    assert len(sessions(folder)) > 50
    for packets in sessions(folder).values():
        assert facts(heard(packets))


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_recorded_packet_is_encoded_as_it_was(folder):
    for packets in sessions(folder).values():
        assert [packet(*encode(event)) for event in heard(packets)] == packets


@pytest.mark.parametrize(("folder", "name"), ALL)
def test_a_session_in_one_piece_gives_the_same_events(folder, name):
    packets = sessions(folder)[name]
    assert heard([b"".join(packets)]) == heard(packets)


@pytest.mark.parametrize(("folder", "name"), SHORT[::4])
def test_a_session_cut_at_any_octet_gives_the_same_facts(folder, name):
    packets = sessions(folder)[name]
    stream, whole = b"".join(packets), heard(packets)
    expected = facts(whole)
    for at in range(1, len(stream)):
        cut = heard([stream[:at], stream[at:]])
        assert cut == whole
    assert facts(heard([bytes([octet]) for octet in stream])) == expected


@pytest.mark.parametrize("folder", FOLDERS)
def test_both_doors_see_the_same_mail(folder):
    """What the policy service was told at RCPT is what the milter's facts say."""
    compared = 0
    for case, requests in policy_requests(folder).items():
        told = [each for each in requests if each["protocol_state"] == "RCPT" and each["sender"]]
        asked = [mail for mail in cases(folder, case) if mail.stage is Stage.RCPT]
        if not told or not asked or (folder, case) in NOT_TOLD:
            continue
        policy, mail = told[-1], asked[-1]
        assert (case, str(mail.client_address)) == (case, policy["client_address"])
        assert (case, mail.client_name) == (case, policy["client_name"])
        assert (case, mail.reverse_client_name) == (case, policy["reverse_client_name"])
        assert (case, mail.helo_name) == (case, policy["helo_name"])
        assert (case, str(mail.client_port)) == (case, policy["client_port"])
        assert (case, mail.size) == (case, int(policy["size"] or 0))
        compared += 1
    assert compared > 25


def test_two_messages_on_one_connection_share_nothing_but_the_client():
    ends = [mail for mail in cases("strict", "two-messages-one-session") if mail.stage is Stage.MAIL]
    first, second = ends
    assert (first.sender.text, second.sender.text) == ("a@b.example", "c@d.example")
    assert first.helo_name == second.helo_name == "mail.b.example"


def test_the_queue_id_is_known_from_data_on():
    asked = cases("no", "normal")
    assert all(mail.queue_id for mail in asked if mail.stage >= Stage.DATA)
    assert not any(mail.knows("queue_id") for mail in asked if mail.stage < Stage.DATA)


def test_several_from_fields_all_arrive():
    (end,) = (mail for mail in cases("no", "hdr-multi-from") if mail.stage is Stage.EOM)
    assert len([field for field in end.headers if field.name.lower() == b"from"]) > 1


def test_a_header_of_five_thousand_fields_is_not_kept():
    asked = cases("no", "headers-5000")
    assert not [mail for mail in asked if mail.stage is Stage.EOM]
