"""The dialogue of a pretended mail: Postfix's order, who is asked, what ends it."""

import asyncio
import ipaddress
from pathlib import Path

from postward.address import parse
from postward.console.pretend import Envelope
from postward.console.rehearsal import Rehearsal, rehearse
from postward.rules.load import load
from postward.stage import Door
from postward.store.memory import MemoryStore
from postward.tools import Tools
from tests.console.site import make
from tests.dns_zone import ZoneDns
from tests.pretend import Clock

BOTH = frozenset(Door)
MESSAGE = b"From: a@example.net\r\n\r\nhello\r\n"
TO = ("b@example.org", "c@example.org")


def play(
    tmp_path: Path,
    rules: str,
    *,
    client: str = "192.0.2.1",
    helo: str = "mx.example.net",
    to: tuple[str, ...] = TO[:1],
    doors: frozenset[Door] = BOTH,
    message: bytes = MESSAGE,
) -> Rehearsal:
    ruleset = load(make(tmp_path, rules="shipped: off\n" + rules), doors)
    store = MemoryStore()
    tools = Tools(ZoneDns(), store, Clock(), ruleset.lists, frozenset({"example.org"}))
    envelope = Envelope(
        ipaddress.ip_address(client),
        "unknown",
        "unknown",
        helo,
        parse("a@example.net"),
        tuple(parse(each) for each in to),
        "",
        "",
    )
    return asyncio.run(rehearse(ruleset, tools, envelope, message, within=2.0))


def asked(rehearsal: Rehearsal) -> list[tuple[str, str]]:
    return [(step.door, step.stage) for step in rehearsal.steps]


def rule(name: str, match: str, then: str, more: str = "") -> str:
    return f"  - {{name: {name}, check: list, with: {{match: {match}, list: bad}}, then: {then}{more}}}\n"


def test_without_rules_a_mail_is_accepted(tmp_path: Path) -> None:
    played = play(tmp_path, "rules: []\n")
    assert (played.answer, played.reply, played.rules()) == ("accept", "", {})


def test_policyd_refuses_before_the_milter_sees_the_message(tmp_path: Path) -> None:
    rules = "rules:\n" + rule("a", "client", "reject")
    rules += "  - {name: from, check: from_header, with: {verdict: none}, then: reject}\n"
    played = play(tmp_path, rules, client="192.0.2.66")
    assert asked(played) == [("policyd", "rcpt")]
    assert (played.answer, played.reply[:9]) == ("reject", "550 5.7.1")
    assert "from" not in played.rules()


def test_each_recipient_is_asked_about(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    rules = "rules:\n" + rule("a", "recipient", "reject")
    played = play(tmp_path, rules, to=("b@bad.example", "b@example.org"))
    words = [(step.stage, step.recipients, step.decision) for step in played.steps if step.stage == "rcpt"]
    assert words == [
        ("rcpt", ("b@bad.example",), "reject"),
        ("rcpt", ("b@example.org",), "continue"),
    ]
    assert played.answer == "accept"


def test_with_all_recipients_refused_the_mail_is_refused(tmp_path: Path) -> None:
    rules = "rules:\n" + rule("a", "recipient", "reject")
    played = play(tmp_path, rules, to=("b@bad.example", "c@bad.example"))
    assert [step.decision for step in played.steps] == ["reject", "reject"]
    assert played.answer == "reject"


def test_the_milter_hears_policyds_score(tmp_path: Path) -> None:
    rules = "thresholds: {reject: 5}\nrules:\n" + rule("a", "helo", "{score: 3}")
    rules += "  - {name: from, check: from_header, with: {verdict: none}, then: {score: 3}}\n"
    played = play(tmp_path, rules, helo="bad.example", message=b"Subject: x\r\n\r\n")
    assert asked(played)[-1] == ("milter", "eom")
    assert (played.answer, played.score) == ("reject", 6.0)


def test_the_milter_ends_the_dialogue_early(tmp_path: Path) -> None:
    rules = "rules:\n" + rule("a", "client", "reject", ", at: milter")
    played = play(tmp_path, rules, client="192.0.2.66")
    assert asked(played) == [("milter", "connect")]
    assert played.answer == "reject"


def test_a_milter_that_accepted_is_asked_no_more(tmp_path: Path) -> None:
    rules = "rules:\n" + rule("a", "client", "accept", ", at: milter")
    rules += "  - {name: from, check: from_header, with: {verdict: none}, then: reject}\n"
    played = play(tmp_path, rules, client="192.0.2.66", message=b"Subject: x\r\n\r\n")
    assert asked(played) == [("milter", "connect")]
    assert played.answer == "accept"


def test_what_policyd_accepted_the_milter_lets_pass(tmp_path: Path) -> None:
    rules = "rules:\n" + rule("a", "client", "accept")
    rules += "  - {name: from, check: from_header, with: {verdict: none}, then: reject}\n"
    played = play(tmp_path, rules, client="192.0.2.66", message=b"Subject: x\r\n\r\n")
    assert played.answer == "accept"
    assert asked(played)[-1] == ("milter", "eom")


def test_quarantine_is_the_answer_when_nothing_refuses(tmp_path: Path) -> None:
    played = play(tmp_path, "rules:\n" + rule("a", "client", "quarantine"), client="192.0.2.66")
    assert played.answer == "quarantine"


def test_discard_ends_it(tmp_path: Path) -> None:
    played = play(tmp_path, "rules:\n" + rule("a", "client", "discard"), client="192.0.2.66")
    assert played.answer == "discard"


def test_one_door_alone(tmp_path: Path) -> None:
    rules = "rules:\n" + rule("a", "client", "reject")
    played = play(tmp_path, rules, client="192.0.2.66", doors=frozenset({Door.MILTER}))
    assert asked(played)[0][0] == "milter"
    assert played.answer == "reject"


def test_greylisting_meets_a_stranger(tmp_path: Path) -> None:
    rules = "rules:\n  - {name: grey, check: greylist, then: defer}\n"
    played = play(tmp_path, rules)
    assert (played.answer, played.steps[-1].by) == ("defer", "grey")
