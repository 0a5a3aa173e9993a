"""Networks as a check: by what the client is found, and what the hit weighs."""

import asyncio
import ipaddress
from typing import Any

import pytest

from postward.checks.network import ListedNetwork
from postward.finding import CLEAR, Clear, Finding, Hit, Unsure
from postward.lists import CompiledList
from postward.mail import Mail
from postward.stage import Stage
from postward.tools import Entry, Network
from tests.checks.entries import OneNetwork
from tests.dns_zone import ZoneDns
from tests.pretend import Clock, look, tools

CLIENT = ipaddress.ip_address("192.0.2.7")
ZONE = """
7.2.0.192.in-addr.arpa.  PTR mx.vps.example.
mx.vps.example.          A   192.0.2.7
"""


def _list(*entries: str | Entry) -> CompiledList:
    made = CompiledList("hosting")
    for entry in entries:
        made.add(entry if isinstance(entry, Entry) else Entry(entry))
    return made


def _look(
    *entries: str | Entry, zone: str = "", failing: dict[str, str] | None = None, **facts: Any
) -> Finding:
    kit = tools(ZoneDns(zone, failing=failing or {}), clock=Clock(), lists={"hosting": _list(*entries)})
    kit.networks = OneNetwork("192.0.2.0/24", Network(64500))
    mail = Mail(Stage.CONNECT, {"client_address": CLIENT, "client_name": "mx.vps.example", **facts})
    return asyncio.run(look(ListedNetwork("hosting", score=1.5), mail, kit))


def _hit(found: Finding) -> tuple[str, str, float]:
    assert isinstance(found, Hit)
    return found.reason, found.values["network_entry"], found.score


def test_the_smallest_network_comes_before_name_and_system() -> None:
    found = _look("AS64500", ".vps.example", "192.0.0.0/16", "192.0.2.0/28")
    assert _hit(found) == ("address", "192.0.2.0/28", 1.5)


def test_the_name_comes_before_the_system() -> None:
    assert _hit(_look("AS64500", ".vps.example")) == ("name", ".vps.example", 1.5)


def test_the_system_comes_last() -> None:
    assert _hit(_look("AS64500", "as64501")) == ("asn", "AS64500", 1.5)


def test_an_entry_weighs_what_it_says() -> None:
    found = _look(Entry("192.0.2.0/24", "reports bounce", score=4.0))
    assert found == Hit(
        "address",
        "hosting: 192.0.2.0/24",
        {"network_entry": "192.0.2.0/24", "network_note": "reports bounce"},
        4.0,
    )


def test_a_score_of_nothing_is_an_exception_from_wider_entries() -> None:
    assert isinstance(_look("AS64500", Entry("192.0.2.7", score=0.0)), Clear)


def test_an_entry_that_has_expired_leaves_it_to_wider_ones() -> None:
    gone = Entry("192.0.2.0/24", expires=Clock().wall())
    assert _hit(_look(gone, "AS64500")) == ("asn", "AS64500", 1.5)


@pytest.mark.parametrize("entries", [(), ("198.51.100.0/24", ".other.example", "AS64501")])
def test_others_are_clear(entries: tuple[str, ...]) -> None:
    assert _look(*entries) == CLEAR


def test_an_empty_list_asks_nobody() -> None:
    kit = tools(lists={"hosting": _list()})
    assert ListedNetwork("hosting").look(Mail(Stage.CONNECT, {}), kit) == CLEAR


def test_a_list_of_networks_alone_answers_at_once() -> None:
    kit = tools(lists={"hosting": _list("198.51.100.0/24")})
    mail = Mail(Stage.CONNECT, {"client_address": CLIENT, "client_name": "unknown"})
    assert ListedNetwork("hosting").look(mail, kit) == CLEAR


def test_a_name_that_postfix_did_not_verify_is_looked_up() -> None:
    assert _hit(_look(".vps.example", zone=ZONE, client_name="unknown")) == ("name", ".vps.example", 1.5)


def test_a_name_that_does_not_resolve_back_is_not_matched() -> None:
    forged = "7.2.0.192.in-addr.arpa. PTR mx.vps.example.\nmx.vps.example. A 192.0.2.8\n"
    assert _look(".vps.example", zone=forged, client_name="unknown") == CLEAR


def test_trouble_with_the_name_is_not_a_clear_client() -> None:
    failing = {"192.0.2.7": "timeout"}
    assert isinstance(_look(".vps.example", failing=failing, client_name="unknown"), Unsure)
    found = _look(".vps.example", "AS64500", failing=failing, client_name="unknown")
    assert _hit(found) == ("asn", "AS64500", 1.5)


def test_mail_of_this_host_is_in_no_network() -> None:
    assert _look("AS64500", "0.0.0.0/0", ".example", client_address=None, client_name="localhost") == CLEAR
