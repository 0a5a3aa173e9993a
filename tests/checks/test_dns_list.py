"""DNS lists as a check."""

import asyncio
import ipaddress
from typing import Any

import pytest

from postward.address import parse
from postward.checks.dns_list import DnsList
from postward.derive.dns_listings import listings_of
from postward.finding import CLEAR, Finding, Hit, Unsure
from postward.mail import IPAddress, Mail
from postward.stage import Stage
from postward.tools import Listing, Listings, Tools
from tests.dns_zone import ZoneDns
from tests.pretend import look, tools

ZONE = """
7.100.51.198.in-addr.arpa. PTR mail.shop.example.
mail.shop.example.         A   198.51.100.7
8.100.51.198.in-addr.arpa. PTR mail.shop.example.
"""
ZEN = Listing("zen", "127.0.0.2", "SBL", 4.0)
DROP = Listing("zen", "127.0.0.9", "DROP", 7.0)
SPIKE = Listing("spike", "127.0.0.10", "worst", 2.0)
WL = Listing("wl", "127.0.5.3", "high trust", -0.5)


class Lists:
    """DNS lists that give one answer, whatever they are asked."""

    def __init__(self, *found: Listing, unsure: tuple[str, ...] = (), silent: bool = False) -> None:
        self.asked: list[tuple[str, Any]] = []
        self._said = Listings(found, unsure)
        self._silent = silent

    def asks(self, about: str) -> bool:
        return not self._silent

    async def look(self, about: str, what: IPAddress | str) -> Listings:
        self.asked.append((about, what))
        return self._said

    def verdict(self, listed: Listings, refused: bool) -> None:
        raise AssertionError("a check decides nothing")


def kit(lists: Lists) -> Tools:
    made = tools(ZoneDns(ZONE))
    made.dns_lists = lists
    return made


def mail(
    client: str | None = "198.51.100.7", helo: str = "helo.example", sender: str = "a@from.example"
) -> Mail:
    facts = {
        "client_address": ipaddress.ip_address(client) if client else None,
        "helo_name": helo,
        "sender": parse(sender),
    }
    return Mail(Stage.RCPT, facts)


def find(check: DnsList, lists: Lists, about: Mail | None = None) -> Finding:
    return asyncio.run(look(check, about or mail(), kit(lists)))


def test_all_lists_that_block_add_up() -> None:
    found = find(DnsList("client"), Lists(ZEN, DROP, WL, SPIKE))
    assert found == Hit(
        "listed",
        "zen 127.0.0.2 (SBL), zen 127.0.0.9 (DROP), spike 127.0.0.10 (worst)",
        {"dns_list": "zen, spike", "dns_list_code": "127.0.0.2, 127.0.0.9, 127.0.0.10"},
        13.0,
    )


def test_lists_that_allow_are_another_kind() -> None:
    found = find(DnsList("client", kind="allow"), Lists(ZEN, WL))
    assert isinstance(found, Hit)
    assert (found.score, found.values["dns_list"]) == (-0.5, "wl")


def test_only_the_lists_that_are_named_count() -> None:
    found = find(DnsList("client", only=("spike",)), Lists(ZEN, SPIKE))
    assert isinstance(found, Hit)
    assert found.score == 2.0
    assert find(DnsList("client", only=("other",)), Lists(ZEN, SPIKE)) == CLEAR


def test_no_listing_is_clear() -> None:
    assert find(DnsList("client"), Lists()) == CLEAR
    assert find(DnsList("client"), Lists(WL)) == CLEAR


def test_a_list_that_cannot_tell_is_unsure() -> None:
    silent = Lists(unsure=("zen: SERVFAIL", "spike: no answer in 2 s"))
    assert find(DnsList("client"), silent) == Unsure("zen: SERVFAIL; spike: no answer in 2 s")
    assert find(DnsList("client", only=("zen",)), silent) == Unsure("zen: SERVFAIL")
    assert find(DnsList("client", only=("other",)), silent) == CLEAR


def test_a_hit_counts_even_when_another_list_cannot_tell() -> None:
    assert isinstance(find(DnsList("client"), Lists(ZEN, unsure=("spike: SERVFAIL",))), Hit)


@pytest.mark.parametrize(
    ("of", "what"),
    [
        ("client", ipaddress.ip_address("198.51.100.7")),
        ("helo", "helo.example"),
        ("rdns", "mail.shop.example"),
        ("sender", "from.example"),
    ],
)
def test_what_is_asked(of: Any, what: Any) -> None:
    lists = Lists()
    find(DnsList(of), lists)
    assert lists.asked == [(of, what)]


@pytest.mark.parametrize(
    ("of", "about"),
    [
        ("client", mail(client=None)),
        ("helo", mail(helo="")),
        ("rdns", mail(client=None)),
        ("rdns", mail(client="198.51.100.8")),  # does not resolve back
        ("rdns", mail(client="198.51.100.9")),  # no name
        ("sender", mail(sender="<>")),
        ("sender", mail(sender="a@b..c")),
    ],
)
def test_what_is_not_there_is_not_asked(of: Any, about: Mail) -> None:
    lists = Lists(ZEN)
    assert find(DnsList(of), lists, about) == CLEAR
    assert lists.asked == []


def test_without_a_list_nothing_is_looked_up() -> None:
    lists = Lists(ZEN, silent=True)
    assert DnsList("rdns").look(mail(), kit(lists)) == CLEAR
    assert lists.asked == []


def test_several_rules_ask_once() -> None:
    lists = Lists(ZEN, WL)
    of_message = kit(lists)

    async def both() -> None:
        await look(DnsList("client"), mail(), of_message)
        assert isinstance(DnsList("client", kind="allow").look(mail(), of_message), Hit)
        assert isinstance(DnsList("client", only=("zen",)).look(mail(), of_message), Hit)

    asyncio.run(both())
    assert len(lists.asked) == 1


def test_all_that_was_said_of_a_message() -> None:
    of_message = kit(Lists(ZEN, unsure=("spike: SERVFAIL",)))
    assert listings_of(of_message) == Listings()

    async def two() -> None:
        await look(DnsList("client"), mail(), of_message)
        await look(DnsList("sender"), mail(), of_message)

    asyncio.run(two())
    assert listings_of(of_message) == Listings((ZEN, ZEN), ("spike: SERVFAIL", "spike: SERVFAIL"))
