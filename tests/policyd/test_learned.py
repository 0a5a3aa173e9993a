"""What policyd has learned from one mail it uses for the next, through the whole service."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from postward.learning import Learner, about_recipients
from postward.outcomes import Points
from postward.stage import Door, Stage
from tests.dns_zone import ZoneDns
from tests.house import TestHouse, build
from tests.policyd.test_serve import Talk, ask, request, serve

RULES = """\
shipped: off
thresholds: {greylist: 2, reject: 12}
rules:
  - name: spam-trap
    check: list
    with: {match: recipient, list: spam-traps}
    unless: [authenticated, local_client, {client_in: allow-clients}]
    then: {reject: {code: 550, enhanced: 5.1.1}}
    rate: -8
    remember: {list: trapped-clients, for: 7d}
    reason: "{recipient}: there is no such user here."
  - name: trapped-client
    check: remembered
    with: {list: trapped-clients}
    unless: [authenticated, local_client, {client_in: allow-clients}]
    then: {score: 5}
  - {name: no-name, check: rdns, with: {verdict: missing}, then: {score: 2}}
  - {name: known-correspondent, check: known_correspondent, then: watch}
  - name: bad-record
    check: rating
    with: {of: client, below: -4, min_samples: 2, weight: 2, most: 20}
    unless: [authenticated, local_client]
    then: {score: own}
    reason: "{rating_of} has {rating} points."
  - name: greylist
    check: greylist
    when: [suspicious]
    unless: [authenticated, local_client, {hit: [known-correspondent]}]
    then: defer
    reason: "Come back in {wait_minutes} minutes."
"""
LISTS = {"spam-traps": "entries: [trap@test.example]\n", "allow-clients": "entries: [198.51.100.1]\n"}


@pytest.fixture
def built(tmp_path: Path) -> TestHouse:
    made = build(tmp_path, RULES, LISTS, dns=ZoneDns(""))
    made.house.learn = Learner(Points(), about_recipients(made.house.rules)).learn
    return made


def _talk(*mails: tuple[Mapping[str, object], str]) -> Talk:
    """Each mail is answered with an action that begins so."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number, (attributes, begins) in enumerate(mails):
            raw = request(**{"instance": f"i{number}", **attributes})
            action = await ask(reader, writer, raw)
            assert action.startswith(begins), (number, action)

    return talk


STRANGER = {"sender": "bob@far.example", "recipient": "alice@test.example"}


def test_an_answer_to_our_user_does_not_wait(tmp_path: Path, built: TestHouse) -> None:
    ours = {"sender": "alice@test.example", "recipient": "bob@far.example", "sasl_username": "alice"}
    serve(
        tmp_path,
        built,
        _talk(
            (STRANGER, "450 4.7.1 Come back in 5 minutes."),
            (ours, "DUNNO"),
            (STRANGER, "DUNNO"),
            ({**STRANGER, "sender": "eve@far.example"}, "450"),
        ),
    )


def test_who_writes_to_a_trap_hears_that_there_is_no_such_user(tmp_path: Path, built: TestHouse) -> None:
    trap = {**STRANGER, "recipient": "trap@test.example"}
    serve(tmp_path, built, _talk((trap, "550 5.1.1 trap@test.example: there is no such user here.")))


def test_a_trapped_client_is_remembered(tmp_path: Path, built: TestHouse) -> None:
    trap, again = {**STRANGER, "recipient": "trap@test.example"}, {"recipient": "x@test.example"}
    serve(tmp_path, built, _talk((trap, "550"), (again, "450")))
    hits = {each.rule for each in built.records[-1][2].judged if each.outcome}
    assert "trapped-client" in hits


def test_our_own_people_and_allowed_clients_are_not_trapped(tmp_path: Path, built: TestHouse) -> None:
    trap = {"recipient": "trap@test.example"}
    serve(
        tmp_path,
        built,
        _talk(
            ({**trap, "sasl_username": "alice"}, "DUNNO"),
            ({**trap, "client_address": "10.0.0.5"}, "DUNNO"),
            ({**trap, "client_address": "198.51.100.1"}, "450 4.7.1 Come back"),
        ),
    )


def test_a_bad_record_adds_up_to_a_refusal(tmp_path: Path, built: TestHouse) -> None:
    trap = {**STRANGER, "recipient": "trap@test.example"}
    serve(
        tmp_path,
        built,
        _talk((trap, "550 5.1.1"), (trap, "550 5.1.1"), (STRANGER, "550 5.7.1 This mail looks unwanted.")),
    )


def test_a_message_that_is_asked_about_twice_is_rated_once(tmp_path: Path, built: TestHouse) -> None:
    trap = {**STRANGER, "recipient": "trap@test.example", "instance": "same"}
    serve(tmp_path, built, _talk((trap, "550 5.1.1"), (trap, "550 5.1.1"), (STRANGER, "450")))


# --- Mail has come in at DATA, where that is asked about ------------------------------------------
GOOD = """
1.2.0.192.in-addr.arpa. PTR mx.good.example.
mx.good.example. A 192.0.2.1
"""
CAME = {"client_address": "192.0.2.1", "sender": "a@good.example", "recipient": "alice@test.example"}


@pytest.mark.parametrize(("doors", "at"), [(Door.POLICYD, "RCPT"), (Door.MILTER, "DATA")])
def test_a_domain_is_known_when_its_mail_has_come_in(tmp_path: Path, doors: Door, at: str) -> None:
    built = build(tmp_path, RULES, LISTS, dns=ZoneDns(GOOD), doors=frozenset({Door.POLICYD, doors}))
    late = Stage.DATA if at == "DATA" else Stage.RCPT
    built.house.learn = Learner(Points(), counts_at=late).learn
    store, known = built.house.tools.store, []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for state in ("RCPT", "DATA"):
            facts = {**CAME, "instance": "i", "protocol_state": state, "queue_id": "4F1"}
            await ask(reader, writer, request(**facts))
            if await store.seen.find("domain good.example", now=built.clock.wall()):
                known.append(state)

    serve(tmp_path, built, talk)
    assert known[0] == at
