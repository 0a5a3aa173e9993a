"""Mail: frozen facts that grow stage by stage."""

import pytest

from postward.mail import FACTS, HeaderField, Mail, NotKnownYet
from postward.stage import Door, Stage


def test_a_fact_that_was_learned_can_be_read() -> None:
    assert Mail().learn(Stage.HELO, helo_name="mx").helo_name == "mx"


def test_a_fact_that_is_not_known_yet_raises() -> None:
    with pytest.raises(NotKnownYet, match="sender is not known at stage helo"):
        _ = Mail(Stage.HELO).sender


def test_learning_makes_another_mail() -> None:
    before = Mail()
    after = before.learn(Stage.HELO, helo_name="mx")
    assert not before.knows("helo_name")
    assert (before.stage, after.stage) == (Stage.CONNECT, Stage.HELO)


def test_what_was_known_stays_known() -> None:
    mail = Mail().learn(Stage.CONNECT, client_port=25).learn(Stage.HELO, helo_name="mx")
    assert (mail.client_port, mail.helo_name) == (25, "mx")


def test_a_later_word_takes_the_place_of_an_earlier() -> None:
    mail = Mail().learn(Stage.RCPT, size=1).learn(Stage.EOM, size=2)
    assert mail.size == 2


def test_mails_with_equal_facts_are_equal() -> None:
    assert Mail(Stage.HELO, {"helo_name": "mx"}) == Mail().learn(Stage.HELO, helo_name="mx")
    assert Mail(Stage.HELO) != Mail(Stage.MAIL)
    assert Mail(Stage.HELO, {"helo_name": "a"}) != Mail(Stage.HELO, {"helo_name": "b"})


def test_a_mail_is_no_key() -> None:
    with pytest.raises(TypeError):
        hash(Mail())


def test_nothing_else_can_be_set() -> None:
    with pytest.raises(AttributeError):
        Mail().subject = "no"  # type: ignore[attr-defined]  # what is tested


def test_every_fact_is_known_to_a_door_and_described() -> None:
    for name, fact in FACTS.items():
        assert fact.name == name
        assert fact.doc.endswith(".")
        assert fact.stage(Door.POLICYD) or fact.stage(Door.MILTER)


def test_a_fact_that_both_doors_know_is_known_at_the_same_stage() -> None:
    for fact in FACTS.values():
        assert None in (fact.policyd, fact.milter) or fact.policyd is fact.milter


def test_stages_are_in_the_order_of_the_dialogue() -> None:
    assert [stage.word for stage in sorted(Stage)] == ["connect", "helo", "mail", "rcpt", "data", "eom"]


def test_a_header_field_is_bytes_as_sent() -> None:
    assert HeaderField(b"Subject", b" a\r\n b") == HeaderField(b"Subject", b" a\r\n b")
