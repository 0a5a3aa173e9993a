"""Evidence cards."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import pytest

from postward.holds.card import make_card
from postward.mail import IPAddress
from postward.state import StoreDown, Ticket
from postward.store.memory import MemoryStore
from postward.tools import Dns, Listing, Listings, Network, Tools
from tests.dns_zone import ZoneDns
from tests.pretend import Clock

ZONE = """
9.2.0.192.in-addr.arpa.   PTR mx.new.example.
mx.new.example.           A   192.0.2.9
new.example.              A   192.0.2.80
new.example.              MX  10 mx.new.example.
new.example.              NS  ns1.host.example.
new.example.              TXT "v=spf1 mx -all"
_dmarc.new.example.       TXT "v=DMARC1; p=none"
null.example.             MX  0 .
"""
KNOCK = {"client": "192.0.2.9", "helo": "mx.new.example", "ptr": "mx.new.example", "sender": "a@new.example"}


def ticket(domain: str = "new.example", knock: Mapping[str, str] = KNOCK) -> Ticket:
    return Ticket("t1", domain, "waiting", 1.0, 2.0, 1, "new-domain", knock=knock)


def kit(dns: Dns | None = None) -> Tools:
    return Tools(dns or ZoneDns(ZONE), MemoryStore(), Clock(), {})


def card(tools: Tools | None = None, held: Ticket | None = None, **options: Any) -> dict[str, str]:
    return asyncio.run(make_card(held or ticket(), tools or kit(), None, **options))


def test_what_a_card_tells() -> None:
    assert card() == {
        "rdns": "mx.new.example, which resolves back",
        "network": "192.0.2.0/24",
        "spf": "pass for new.example",
        "dmarc": "v=DMARC1; p=none",
        "dkim": "not known before DATA",
        "mx": "mx.new.example (10)",
        "ns": "ns1.host.example",
        "address": "192.0.2.80",
        "dns lists": "on none",
        "rating": "none yet",
    }


def test_a_domain_that_is_not_there() -> None:
    told = card(held=ticket("gone.example"))
    assert told["mx"] == told["ns"] == told["address"] == told["dmarc"] == "none: there is no such name"


def test_a_null_mx() -> None:
    assert card(held=ticket("null.example"))["mx"].startswith("null MX")


def test_a_dns_that_fails_is_said_not_guessed() -> None:
    dns = ZoneDns(
        ZONE, failing={"new.example": "SERVFAIL", "_dmarc.new.example": "SERVFAIL", "192.0.2.9": "x"}
    )
    told = card(kit(dns))
    for name in ("rdns", "spf", "dmarc", "mx", "ns", "address"):
        assert told[name].startswith("could not tell: "), name


def test_a_dns_that_hangs_costs_one_deadline_not_ten() -> None:
    began = time.monotonic()
    told = card(kit(ZoneDns(ZONE, delay=30)), look=0.1)
    assert time.monotonic() - began < 2
    assert told["mx"] == told["rdns"] == told["spf"] == "could not tell: no answer in 0.1 s"


class _Lists:
    async def look(self, about: str, what: IPAddress | str) -> Listings:
        if about == "client":
            return Listings((Listing("zen", "127.0.0.2", "SBL", 4.0),))
        return Listings((), ("dbl: no answer",))

    def verdict(self, listed: Listings, refused: bool) -> None:
        raise AssertionError("a card is no mail")


class _Networks:
    def find(self, address: IPAddress) -> Network | None:
        return Network(64500, "EXAMPLE-NET", "ZZ")


def test_lists_and_networks_have_their_say() -> None:
    tools = kit()
    tools.dns_lists, tools.networks = _Lists(), _Networks()
    told = card(tools)
    assert told["dns lists"] == "zen SBL (+4); could not tell: dbl: no answer"
    assert told["network"] == "192.0.2.0/24 AS64500 EXAMPLE-NET ZZ"


def test_ratings_are_told() -> None:
    tools = kit()
    tools.store.ratings.note(("domain:new.example",), -3.0, now=tools.clock.wall(), reason="x")
    assert card(tools)["rating"] == "domain:new.example -3.0 (1 events)"


def test_a_store_that_is_down_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    async def down(*_: object, **__: object) -> Any:
        raise StoreDown("disk full")

    tools = kit()
    monkeypatch.setattr(tools.store.ratings, "read", down)
    assert card(tools)["rating"] == "could not tell: store: disk full"


def test_what_is_hostile_is_bounded_and_printable() -> None:
    dns = ZoneDns()
    dns.add("_dmarc.new.example", "TXT", (b"v=DMARC1; \x1b[2J\r\n<script>" + b"x" * 5_000,))
    text = card(kit(dns))["dmarc"]
    assert text.isprintable()
    assert len(text) < 400


def test_a_ticket_without_a_client_tells_what_it_can() -> None:
    told = card(held=ticket(knock={}))
    assert "rdns" not in told
    assert told["mx"] == "mx.new.example (10)"


def test_a_card_for_an_ipv6_client() -> None:
    tools = kit()
    asyncio.run(tools.store.ratings.set("network:2001:db8::/64", -3, now=1.0, by="root", reason="x"))
    told = card(tools, ticket(knock={**KNOCK, "client": "2001:db8::25"}))
    assert told["network"] == "2001:db8::/64"
    assert told["rdns"] == "none"
    assert told["spf"] == "fail for new.example"
    assert told["rating"] == "network:2001:db8::/64 -3.0 (0 events)"
