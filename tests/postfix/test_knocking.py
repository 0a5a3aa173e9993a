"""Held domains through a real Postfix: a person's word, who joins a ticket, who never waits, the deadline."""

from typing import Any

import pytest
from lab import town
from lab.patience import until
from lab.smtp import Smtp

from tests.postfix.site import GREYLISTED, HOUR, Site, letter

DAY = 24 * HOUR


# --- A person's word --------------------------------------------------------------------------------
def test_an_approved_domain_passes_at_its_next_attempt(site: Site) -> None:
    new = site.poor()
    ticket = site.hold(new)
    site.run("holds", "approve", ticket, "--note", "asked them by telephone")
    assert site.knock(new).code == 250
    assert site.knock(new, sender=f"other@{new.domain}", recipient="bob@example.org").code == 250


def test_an_approval_spares_greylisting_too(site: Site) -> None:
    new = site.poor()
    site.run("holds", "approve", site.hold(new))
    site.soon(250, new, client=new.elsewhere, sender=f"x@sub.{new.domain}")


def test_a_denied_domain_is_refused(site: Site) -> None:
    new = site.poor()
    site.run("holds", "deny", site.hold(new))
    reply = site.knock(new)
    assert reply.text.startswith("550 5.7.1 ")
    assert "postmaster" in reply.text


def test_a_word_that_is_taken_back_leaves_the_domain_waiting(site: Site) -> None:
    new = site.poor()
    ticket = site.hold(new)
    site.run("holds", "deny", ticket)
    site.soon(550, new)
    site.run("holds", "undo", ticket)
    until(lambda: f"(ticket {ticket})" in site.knock(new).text, "the same ticket")


def test_retries_from_other_addresses_and_networks_join_the_ticket(site: Site) -> None:
    new = site.poor()
    ticket = site.hold(new)
    for client in (new.neighbour, new.elsewhere):
        assert f"(ticket {ticket})" in site.knock(new, client=client).text
    assert site.ticket(ticket)["clients"] == [new.address, new.neighbour, new.elsewhere]
    waiting = [each for each in site.ask("holds", "list") if each["domain"] == new.domain]
    assert [each["attempts"] for each in waiting] == [3]


def test_an_approved_network_vouches_for_its_other_domains(site: Site) -> None:
    new, other = site.poor(), site.poor()
    site.run("holds", "approve", site.hold(new), "--network")
    site.soon(250, new)
    site.soon(250, other, client=new.neighbour)
    assert site.knock(other, client=new.elsewhere).code == 450


def test_an_approved_address_passes_from_whom_its_domain_vouches_for(site: Site) -> None:
    new, other = site.poor(), site.poor()
    site.run("holds", "approve", site.hold(new), "--address")
    site.soon(250, new, client=new.elsewhere)
    assert site.knock(new, client=other.address).code == 450


def test_a_denied_network_is_refused_whatever_the_domain(site: Site) -> None:
    new, other = site.poor(), site.poor()
    site.run("holds", "deny", site.hold(new), "--network")
    assert new.network in site.soon(550, other, client=new.neighbour).text


# --- Who never waits ---------------------------------------------------------------------------------
def test_a_bounce_is_never_held(site: Site) -> None:
    new = site.poor()
    site.knock(new, sender="")
    site.later(GREYLISTED)
    assert site.knock(new, sender="").code == 250
    assert not site.has_ticket(new.domain)


def test_the_reply_to_our_users_mail_never_waits(site: Site) -> None:
    new = site.poor()
    assert site.knock(new, sender=f"other@{new.domain}").code == 450
    with Smtp(site.postfix.submission_port) as smtp:
        smtp.ehlo("laptop.example.org")
        smtp.auth("alice@example.org", town.PASSWORDS["alice@example.org"])
        smtp.mail("alice@example.org")
        assert smtp.rcpt(new.mailbox).code == 250
        assert smtp.data(letter("alice@example.org")).code == 250
    assert site.knock(new).code == 250


def test_a_listed_sender_never_waits(site: Site) -> None:
    new = site.poor()
    site.run("list", "add", "allow-senders", new.mailbox, "--note", "a partner")
    assert site.knock(new).code == 250
    assert not site.has_ticket(new.domain)


def test_who_is_not_suspicious_never_waits(site: Site) -> None:
    new = site.well()
    assert site.knock(new).code == 250
    assert not site.has_ticket(new.domain)


# --- The deadline --------------------------------------------------------------------------------------
ON_DEADLINE = {
    "accept": (250, ""),
    "quarantine": (250, ""),
    "defer": (450, "ticket"),
    "reject": (550, "ticket"),
}


@pytest.mark.parametrize("on_deadline", ON_DEADLINE)
def test_what_follows_when_nobody_decides_in_time(on_deadline: str, site: Site) -> None:
    new = site.poor()
    site.judge_by({"holds": {"on_deadline": on_deadline}})
    ticket = site.hold(new)
    site.later(DAY - 60)
    assert f"(ticket {ticket})" in site.knock(new).text
    site.later(60)
    reply = site.knock(new)
    code, words = ON_DEADLINE[on_deadline]
    assert reply.code == code, reply
    assert words in reply.text
    assert (reply.queue_id in site.postfix.on_hold()) == (on_deadline == "quarantine")


@pytest.mark.parametrize(("on_deadline", "verdict"), [("accept", "approved"), ("reject", "denied")])
def test_the_ticket_says_that_it_was_the_deadline(on_deadline: str, verdict: str, site: Site) -> None:
    new = site.poor()
    site.judge_by({"holds": {"for": "1h", "remind": [], "on_deadline": on_deadline}})
    ticket = site.hold(new)
    site.later(HOUR)

    def decided() -> dict[str, Any] | None:
        found = site.ticket(ticket)
        return found if found["verdict"] != "waiting" else None

    found = until(decided, "a decision")
    assert found is not None
    assert (found["verdict"], found["decided_by"]) == (verdict, "deadline")
    assert site.knock(new).code == (250 if verdict == "approved" else 550)
