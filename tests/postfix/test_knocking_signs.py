"""What makes a client suspicious, and what does not, through a real Postfix and a real unbound."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from time import monotonic

import pytest
from lab.patience import until
from lab.smtp import Reply, Smtp

from tests.postfix.conftest import LISTED
from tests.postfix.site import GREYLISTED, Sender, Site, letter


# --- Names that were good ---------------------------------------------------------------------------
def test_a_client_whose_name_is_gone_is_not_punished(site: Site) -> None:
    lost, never = site.well(), site.poor()
    assert site.knock(lost).code == 250
    site.zone_has(nameless=[lost])
    reply = site.knock(lost)
    assert reply.code == 250
    assert site.finding(reply, "client-without-rdns")["detail"].endswith("; now missing")
    refused = site.knock(never)
    assert refused.code == 450
    assert site.finding(refused, "client-without-rdns")["finding"] == "hit"


def test_a_name_that_was_gone_before_the_client_came_helps_nobody(site: Site) -> None:
    lost = site.well()
    site.zone_has(nameless=[lost])
    assert site.knock(lost).code == 450


# --- DNS lists ----------------------------------------------------------------------------------------
def _list(site: Site, name: str, state: str) -> None:
    """Wait until the DNS list is in this state; between two looks of the guard lie five seconds."""

    def is_so() -> bool:
        return any(row["list"] == name and row["state"] == state for row in site.ask("dns-lists"))

    until(is_so, f"the list {name} {state}", within=30, every=0.2)


def test_a_client_on_a_dns_list_is_greylisted_then_held(site: Site) -> None:
    _list(site, "good", "on")
    new = site.well()
    first = site.knock(new, client=LISTED)
    assert first.code == 450
    assert "good 127.0.0.2 (sends spam)" in site.finding(first, "dns-block-client")["detail"]
    site.later(GREYLISTED)
    assert "(ticket " in site.knock(new, client=LISTED).text
    assert site.knock(new).code == 250


def test_a_list_that_has_everybody_is_switched_off_and_on_again_with_one_alarm_each(site: Site) -> None:
    _list(site, "wild", "on")
    before = site.daemons.log("policyd").count("DNS list wild ")
    new = site.well()
    site.zone_has("*.wild.list. A 127.0.0.2\n")
    _list(site, "wild", "off")
    assert site.knock(new).code == 250
    site.zone_has()
    site.later(GREYLISTED)
    _list(site, "wild", "on")
    alarms = [line for line in site.daemons.log("policyd").splitlines() if "DNS list wild " in line][before:]
    assert len(alarms) == 2, alarms
    assert "fails its test and is not asked any more" in alarms[0]
    assert "passes its test again" in alarms[1]
    assert site.knock(site.well()).code == 250


# --- Traps and ratings -------------------------------------------------------------------------------
def test_who_writes_to_a_trap_hears_of_an_unknown_user_and_is_remembered(site: Site) -> None:
    spammer = site.well()
    reply = site.knock(spammer, recipient="trap@example.org")
    assert reply.text.startswith("550 5.1.1 ")
    assert "trap" not in reply.text.replace("trap@example.org", "")

    def points() -> float:
        found = site.ask("rating", "show", spammer.address)
        return next((each["points"] for each in found if each["key"] == f"client:{spammer.address}"), 0) or 0

    until(lambda: points() < -7, "the rating")
    refused = site.knock(spammer)
    assert refused.code == 450
    assert site.finding(refused, "trapped-client")["finding"] == "hit"
    assert site.knock(site.well()).code == 250


def test_a_rating_that_a_person_sets_is_felt_within_a_second(site: Site) -> None:
    client, plain = site.well(), {"sender": "anna@plain.example"}  # nobody vouches for: never known
    assert site.knock(client, **plain).code == 250
    key = f"client:{client.address}"
    site.run("rating", "set", key, "-20", "--reason", "they sell addresses")
    refused = site.soon(450, client, **plain)
    assert any("they sell addresses" in each["detail"] for each in site.findings(refused))
    site.run("rating", "clear", key, "--reason", "a mistake")
    site.soon(250, client, **plain)


# --- Lists --------------------------------------------------------------------------------------------
def test_a_list_entry_is_in_force_when_the_command_ends(site: Site) -> None:
    new = site.well()
    assert site.knock(new).code == 250
    site.run("list", "add", "deny-clients", new.network, "--note", "ticket 4711")
    assert site.knock(new).text.startswith("550 5.7.1 ")
    site.run("list", "remove", "deny-clients", new.network)
    assert site.knock(new).code == 250


def test_a_network_of_the_hosting_list_weighs_what_its_entry_says(site: Site) -> None:
    new = site.well()
    site.run("list", "add", "hosting", new.network, "--score", "3", "--note", "tolerates it")
    refused = site.knock(new)
    assert refused.code == 450
    assert site.finding(refused, "listed-network")["score"] == 3


# --- Overrides ----------------------------------------------------------------------------------------
OVERRIDES = {
    "overrides": [
        {
            "for": {"recipient": "bob@example.org"},
            "rules": {"greylist": {"mode": "off"}, "new-domain": {"mode": "off"}},
        },
        {"for": {"recipient_domain": "club.example"}, "thresholds": {"greylist": 8}},
        {"for": {"recipient_domain": "strict.example"}, "thresholds": {"reject": 2}},
    ]
}


def test_recipients_of_one_message_each_have_their_own_way(site: Site) -> None:
    site.judge_by(OVERRIDES)
    new = site.poor()
    codes = {
        "alice@example.org": 450,
        "bob@example.org": 250,
        "alice@club.example": 250,
        "bob@strict.example": 550,
    }
    for _ in range(2):
        with Smtp(site.postfix.port) as smtp:
            smtp.xclient(new.address)
            smtp.ehlo(new.host)
            smtp.mail(new.mailbox)
            replies = {recipient: smtp.rcpt(recipient) for recipient in codes}
            assert {recipient: reply.code for recipient, reply in replies.items()} == codes, replies
            taken = smtp.data(letter(new.mailbox))
        assert taken.code == 250
        for user in ("alice", "bob"):  # alice of club.example, bob of example.org
            site.postfix.wait_delivered(user, taken.queue_id)
        site.later(GREYLISTED)  # alice's is held then: who opted out has not made the domain known


def test_who_opted_out_is_not_held_when_others_are(site: Site) -> None:
    site.judge_by(OVERRIDES)
    new = site.poor()
    ticket = site.hold(new)
    assert site.knock(new, recipient="bob@example.org").code == 250
    assert site.ticket(ticket)["verdict"] == "waiting"


# --- No DNS -------------------------------------------------------------------------------------------
@contextmanager
def _down(site: Site) -> Iterator[None]:
    site.unbound.stop()
    yield
    site.unbound.start()


@contextmanager
def _hanging(site: Site) -> Iterator[None]:
    os.kill(site.unbound.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(site.unbound.pid, signal.SIGCONT)


@pytest.mark.parametrize("trouble", [_down, _hanging])
def test_without_dns_nobody_is_punished_and_all_are_answered_in_time(
    trouble: Callable[[Site], AbstractContextManager[None]], site: Site
) -> None:
    never_met = [site.well(), site.poor()]
    with trouble(site):
        for each in never_met:
            reply, seconds = _timed(site, each)
            assert reply.code == 250, reply
            assert seconds <= 5
    other = site.poor()
    until(lambda: site.knock(other).code == 450, "the DNS is back", within=20)
    assert site.knock(site.well()).code == 250


def _timed(site: Site, who: Sender) -> tuple[Reply, float]:
    """The reply to RCPT, and after how long."""
    with Smtp(site.postfix.port) as smtp:
        smtp.xclient(who.address)
        smtp.ehlo(who.host)
        smtp.mail(who.mailbox)
        begun = monotonic()
        reply = smtp.rcpt("alice@example.org")
        return reply, monotonic() - begun
