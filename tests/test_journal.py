"""Journal entries: what is kept, what never is, and in which spelling."""

import ipaddress
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postward import journal
from postward.address import NULL, Address, parse
from postward.decision import Continue, Decision, Defer, Quarantine, Reject, Reply
from postward.finding import Clear, Finding, Hit, Unsure
from postward.journal import Entry, Pseudonyms
from postward.mail import HeaderField, Mail
from postward.rules.judgement import Judged, Judgement
from postward.stage import Stage

PLAIN = Pseudonyms(None)
HIDDEN = Pseudonyms(b"k" * 32)
NOW = 1_795_000_000.1234567


def mail(stage: Stage = Stage.RCPT, **facts: object) -> Mail:
    known = {
        "client_address": ipaddress.ip_address("192.0.2.7"),
        "client_name": "mx.example.net",
        "helo_name": "mx.example.net",
        "listener": "inbound",
        "sender": parse("Alice@Example.net"),
        "sasl_username": "",
        "recipient": parse("bob@example.org"),
    }
    return Mail(stage, {**known, **facts})


def judged(finding: Finding | None, **changes: object) -> Judged:
    plain = Judged("rule-a", "rdns", finding, "", 0.0, "enforce", 0.0012, "")
    return plain._replace(**changes)  # type: ignore[arg-type]


def judgement(
    *rules: Judged, decision: Decision | None = None, would: Decision | None = None, by: str = ""
) -> Judgement:
    said = decision if decision is not None else Continue()
    return Judgement("7QK2M8XW4T", Stage.RCPT, said, by, 2.5, rules, (), would, 0.0034)


def entry(about: Mail, found: Judgement, names: Pseudonyms = PLAIN) -> Entry:
    return journal.entry(journal.record(NOW, "policyd", about, found), names)


REJECT = Reject(Reply(550, "5.7.1", "No, Alice@Example.net"))


def test_an_entry_tells_envelope_and_decision() -> None:
    made = entry(mail(), judgement(decision=REJECT, by="deny-sender"))
    assert made == Entry(
        time=1_795_000_000.123,
        trace="7QK2M8XW4T",
        door="policyd",
        stage="rcpt",
        queue_id="",
        client="192.0.2.7",
        client_name="mx.example.net",
        helo="mx.example.net",
        listener="inbound",
        login="",
        sender="Alice@Example.net",
        recipients=("bob@example.org",),
        decision="reject",
        reply="550 5.7.1 No, Alice@Example.net",
        by="deny-sender",
        score=2.5,
        would="",
        ms=3.4,
        rules=(),
    )


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (judged(Hit("missing", "no PTR"), outcome="score", score=2.5), ("hit", "missing", "no PTR")),
        (judged(Clear("fine")), ("clear", "", "fine")),
        (judged(Unsure("SERVFAIL")), ("unsure", "", "SERVFAIL")),
        (judged(None, skipped="unless: authenticated"), ("skipped", "", "unless: authenticated")),
    ],
)
def test_each_finding_has_its_word(rule: Judged, told: tuple[str, str, str]) -> None:
    (found,) = entry(mail(), judgement(rule)).rules
    assert (found.finding, found.reason, found.detail) == told
    assert (found.rule, found.check, found.outcome, found.score, found.ms) == (
        "rule-a",
        "" if rule.finding is None else "rdns",
        rule.outcome,
        rule.score,
        0.0 if rule.finding is None else 1.2,
    )


def test_what_is_dumped_is_loaded_again() -> None:
    rules = (judged(Hit("missing", "x"), outcome="defer"), judged(Clear(), mode="shadow"))
    kept = journal.record(NOW, "policyd", mail(), judgement(*rules, would=REJECT))
    made = Entry.load(journal.row(kept, PLAIN).body_json)
    assert made == journal.entry(kept, PLAIN)
    assert made.would == "reject"
    assert [rule.enforced for rule in made.rules] == [True, False]


def test_as_dict_names_the_fields_of_rules() -> None:
    made = entry(mail(), judgement(judged(Clear())))
    assert json.loads(json.dumps(made.as_dict()))["rules"][0]["rule"] == "rule-a"


def test_headers_are_not_even_kept_in_memory() -> None:
    fields = (HeaderField(b"Subject", b" secret"),)
    kept = journal.record(NOW, "milter", mail(Stage.EOM, headers=fields), judgement())
    assert "headers" not in kept.mail.known
    assert "secret" not in journal.row(kept, PLAIN).body_json


def test_a_quarantine_tells_why() -> None:
    assert entry(mail(), judgement(decision=Quarantine("odd"))).reply == "odd"


def test_at_connect_nothing_else_is_needed() -> None:
    bare = Mail(Stage.CONNECT, {"client_address": None})
    made = entry(bare, judgement())
    assert (made.client, made.sender, made.recipients) == ("", "", ())


def test_recipients_are_bounded() -> None:
    many = tuple(parse(f"u{number}@example.org") for number in range(500))
    known = {name: fact for name, fact in mail().known.items() if name != "recipient"}
    made = entry(Mail(Stage.EOM, {**known, "recipients": many}), judgement())
    assert len(made.recipients) == journal.MAX_RECIPIENTS


def test_people_are_lower_case_for_the_search() -> None:
    row = journal.row(journal.record(NOW, "policyd", mail(), judgement()), PLAIN)
    assert row.people == ("alice@example.net", "bob@example.org")


def test_pseudonyms_keep_the_domain_and_are_steady() -> None:
    name = HIDDEN.of(parse("Alice@Example.net"))
    assert name.startswith("~")
    assert name.endswith("@example.net")
    assert name == HIDDEN.of(parse("alice@example.NET"))
    assert name != Pseudonyms(b"j" * 32).of(parse("alice@example.net"))
    assert name != HIDDEN.of(parse("bob@example.net"))


def test_the_null_sender_stays_null() -> None:
    assert HIDDEN.of(NULL) == ""


def test_no_local_part_is_left_anywhere() -> None:
    about = mail(sasl_username="Alice.Login", sender=parse("alice.private@example.net"))
    rule = judged(Hit("listed", "alice.private@example.net is listed for Alice.Login"))
    reply = Defer(Reply(450, "4.7.1", "<bob@example.org>: wait, alice.private@example.net"))
    row = journal.row(journal.record(NOW, "policyd", about, judgement(rule, decision=reply)), HIDDEN)
    text = "".join(str(column) for column in row)
    for private in ("alice.private", "Alice.Login", "alice.login", "bob@"):
        assert private not in text
    assert HIDDEN.of(parse("bob@example.org")) in row.body_json


@given(st.text(), st.text(), st.text(max_size=2000))
def test_whatever_a_client_sends_the_entry_is_bounded_and_printable(
    helo: str, sender: str, detail: str
) -> None:
    about = mail(helo_name=helo, sender=parse(sender), queue_id=detail)
    made = entry(about, judgement(judged(Hit("x", detail))))
    for text in (made.helo, made.sender, made.queue_id, made.rules[0].detail):
        assert text.isprintable()
        assert len(text) <= 5200  # 512 characters, each written as ten at most


def test_an_address_without_domain_has_a_pseudonym_too() -> None:
    assert HIDDEN.of(Address("root", "root", None, "no domain")).startswith("~")
