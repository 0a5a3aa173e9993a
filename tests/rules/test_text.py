"""Reply texts: an admin's words, with values that can break nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postward.address import parse
from postward.rules.text import MAX_VALUE, PLACEHOLDERS, BadTemplate, printable, template
from postward.stage import Stage
from tests.rules.judging import mail_at

MAIL = mail_at(Stage.RCPT, helo_name="HELO", sasl_username="carol")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("client_ip", "192.0.2.1"),
        ("client_name", "mx.example.net"),
        ("client_ptr", "mx.example.net"),
        ("helo", "HELO"),
        ("sender", "alice@example.net"),
        ("sender_domain", "example.net"),
        ("recipient", "bob@example.org"),
        ("login", "carol"),
    ],
)
def test_each_name_has_its_value(name: str, value: str) -> None:
    assert template(f"<{{{name}}}>", {}).render(MAIL, {}) == f"<{value}>"


def test_every_name_is_tested() -> None:
    assert len(PLACEHOLDERS) == 8


def test_the_null_sender_is_shown() -> None:
    mail = mail_at(Stage.RCPT, sender=parse("<>"))
    assert template("{sender} {sender_domain}", {}).render(mail, {}) == "<> <>"


def test_mail_from_this_host_has_an_address_too() -> None:
    assert template("{client_ip}", {}).render(mail_at(Stage.RCPT, client_address=None), {}) == "localhost"


def test_a_value_of_the_check_is_put_in() -> None:
    assert template("{word}!", {"word": "A word."}).render(MAIL, {"word": "spam"}) == "spam!"


def test_a_value_that_the_hit_lacks_is_empty() -> None:
    assert template("[{word}]", {"word": "A word."}).render(MAIL, {}) == "[]"


def test_a_fact_that_is_not_known_is_empty() -> None:
    assert template("[{recipient}]", {}).render(mail_at(Stage.MAIL), {}) == "[]"


def test_doubled_braces_are_braces() -> None:
    assert template("{{client_ip}}", {}).render(MAIL, {}) == "{client_ip}"


def test_a_value_is_no_template() -> None:
    assert template("{word}", {"word": ""}).render(MAIL, {"word": "{client_ip} %s"}) == "{client_ip} %s"


def test_it_knows_the_facts_that_it_reads() -> None:
    assert template("{helo} {word}", {"word": ""}).facts == {"helo_name"}


@pytest.mark.parametrize("text", ["{nobody}", "{client_ip!r}", "{client_ip:9}", "{", "a\nb", "ä", "a" * 401])
def test_what_cannot_be_used_is_refused(text: str) -> None:
    with pytest.raises(BadTemplate):
        template(text, {})


@given(st.text(st.characters(codec=None), max_size=300))
def test_any_value_is_printable_ascii_and_short(value: str) -> None:
    shown = printable(value)
    assert shown.isascii()
    assert shown == "" or shown.isprintable()
    assert len(shown) <= MAX_VALUE


@given(st.text(st.sampled_from("{}:!.[]aclient_ip01 %"), max_size=40))
def test_any_template_is_taken_or_refused(text: str) -> None:
    try:
        made = template(text, {})
    except BadTemplate:
        return
    assert made.render(MAIL, {}).isascii()
