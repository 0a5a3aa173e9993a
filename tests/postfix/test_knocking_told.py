"""What people are told of a held domain: the evidence card, and notices by mail through the same Postfix."""

from email import message_from_string
from typing import Any

from lab.patience import until
from lab.smtp import Reply, Smtp

from tests.postfix.conftest import HOSTILE, SHOP
from tests.postfix.site import GREYLISTED, HOUR, Site

PAUSE = 601.0
"""Seconds after which the next mail goes out."""


def _card(site: Site, domain: str) -> dict[str, Any]:
    """The evidence card, once it is made."""
    return until(lambda: site.ticket(domain)["card"], f"the card of {domain}", within=20, every=0.1)


def _held(site: Site, client: str, helo: str, sender: str, *options: str) -> Reply:
    """Knock twice, the second time after greylisting."""
    for _ in range(2):
        with Smtp(site.postfix.port) as smtp:
            smtp.xclient(client)
            smtp.ehlo(helo)
            assert (reply := smtp.mail(sender, *options)).code == 250, reply
            reply = smtp.rcpt("alice@example.org")
        site.later(GREYLISTED)
    assert "(ticket " in reply.text
    return reply


# --- The card -------------------------------------------------------------------------------------------
def test_the_card_tells_what_the_world_says(site: Site) -> None:
    site.run("rating", "set", f"client:{SHOP}", "-3", "--reason", "we know them")
    _held(site, SHOP, "mail.shop.registry", "anna@shop.registry")
    card = _card(site, "shop.registry")
    told = {name: card[name] for name in ("rdns", "spf", "dmarc", "mx", "address")}
    assert told == {
        "rdns": "none",
        "spf": "pass for shop.registry",
        "dmarc": "v=DMARC1; p=quarantine",
        "mx": "mail.shop.registry (10)",
        "address": SHOP,
    }
    assert card["network"].startswith("198.19.250.0/24")
    assert "good sends spam (+4)" in card["dns lists"]
    assert f"client:{SHOP} -3.0" in card["rating"]
    assert card["registered"] == "2026-11-20"
    assert b"GET /v1/domain/shop.registry HTTP/1.1" in site.rdap.requests[0]


def test_the_card_of_another_registry_asks_no_rdap(site: Site) -> None:
    new = site.poor()
    site.hold(new)
    card = _card(site, new.domain)
    assert "could not tell" in card.get("registered", "could not tell")
    assert not any(new.domain.encode() in each for each in site.rdap.requests)


def test_a_card_without_dns_says_so(site: Site) -> None:
    new = site.poor()
    site.unbound.stop()
    try:
        _held(site, new.address, new.address, new.mailbox)  # the HELO name alone is suspicious enough
        card = _card(site, new.domain)
    finally:
        site.unbound.start()
    for name in ("rdns", "spf", "dmarc", "mx", "ns", "address"):
        assert card[name].startswith("could not tell"), card


# --- Notices --------------------------------------------------------------------------------------------
def test_the_postmaster_is_told_when_a_ticket_opens_and_again_after_four_hours(site: Site) -> None:
    new = site.poor()
    site.judge_by({"holds": {"for": "5h", "remind": ["4h"]}})
    ticket = site.hold(new)
    _card(site, new.domain)
    site.later(PAUSE)
    first = site.told(f"{new.domain} waits since")
    assert f"postward holds approve {ticket}" in first
    assert f"  client        {new.address}" in first
    site.later(4 * HOUR)
    until(lambda: len(_about(site, new.domain)) == 2, "the reminder", within=20)


def _about(site: Site, domain: str) -> list[str]:
    return [mail for mail in site.notices() if f"{domain} waits since" in mail]


def test_a_notice_is_a_mail_that_nothing_answers(site: Site) -> None:
    new = site.poor()
    site.hold(new)
    _card(site, new.domain)
    site.later(PAUSE)
    mail = message_from_string(site.told(f"{new.domain} waits since"))
    assert mail["Return-Path"] == "<>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["From"] == "postward@mx.example.org"
    assert mail["To"] == "postmaster@example.org"
    assert mail["X-Postward-Verdict"].startswith("continue; score=0; rules=;")


def test_a_hostile_sender_writes_no_header_into_the_notice(site: Site) -> None:
    helo = "[x\\r\\nBcc:bob@example.org]<script>\x1b[2J"
    sender = '"a\\\rBcc: bob@example.org\\\r\\\r<b>"@hostile.example'
    _held(site, HOSTILE, helo, sender)
    card = _card(site, "hostile.example")
    assert "Bcc" in card["dmarc"]  # it was tried
    site.later(PAUSE)
    text = site.told("hostile.example waits since")
    mail = message_from_string(text)
    assert mail["Bcc"] is None
    assert mail.get_all("To") == ["postmaster@example.org"]
    assert len(mail.get_all("Subject") or []) == 1
    assert not any(line.startswith(("Bcc", "<script>", "<b>")) for line in text.splitlines())
    assert all(character == "\n" or character.isprintable() for character in text.replace("\t", ""))
    assert not any(b"waits since" in each for each in site.postfix.delivered("bob"))
