"""What every registered check promises, with every value of its options."""

import asyncio
import ipaddress
import itertools
from collections.abc import Iterator
from dataclasses import MISSING, fields
from typing import Any, get_args, get_type_hints

import pytest

from postward.address import NULL, parse
from postward.checks import Cost
from postward.checks.registry import CHECKS
from postward.finding import Clear, Hit, Unsure
from postward.mail import FACTS, HeaderField, Mail
from postward.stage import Stage
from postward.state import Window, Word
from postward.store.memory import MemoryStore
from postward.tools import Listing, Listings, Network, Tools
from tests.checks.entries import OneNetwork, list_of
from tests.dns_zone import ZoneDns
from tests.pretend import Clock, look, tools

ZONE = """
1.2.0.192.in-addr.arpa.   PTR mx.example.org.
2.2.0.192.in-addr.arpa.   PTR elsewhere.example.org.
77.2.0.192.in-addr.arpa.  PTR dyn-192-0-2-77.isp.example.
mx.example.org.           A   192.0.2.1
dyn-192-0-2-77.isp.example. A 192.0.2.77
fail.example.             TXT "v=spf1 -all"
soft.example.             TXT "v=spf1 ~all"
pass.example.             TXT "v=spf1 +all"
open.example.             TXT "v=spf1 ?all"
odd.example.              TXT "v=spf1 nonsense"
wide.example.             TXT "v=spf1 ip4:192.0.0.0/9 -all"
null.example.             MX  0 .
lost.example.             MX  10 gone.example.
"""
# Values for options whose type is not a small set of words.
GIVEN: dict[str, list[Any]] = {
    "limit.windows": [(Window(1, 60),)],
    "list.list": ["x"],
    "network.list": ["x"],
    "rating.below": [-4.0],
    "remembered.list": ["x"],
    "known_correspondent.anybody": [False, True],
    "spf.results": [(result,) for result in ("pass", "fail", "softfail", "neutral", "none", "temperror")],
}
VALUES: dict[str, list[Any]] = {
    "client_address": [ipaddress.ip_address(f"192.0.2.{n}") for n in (1, 2, 8, 9, 77)] + [None],
    "helo_name": [
        *("", "mx.example.org", "192.0.2.1", "[192.0.2.1]", "[192.0.2.3]", "localhost", "b@d"),
        *("x.example.net", "pc.local", "mx.google.com"),
    ],
    "sender": [
        NULL,
        *(parse(f"a@{name}.example") for name in ("fail", "soft", "pass", "open", "odd", "none")),
        *(parse(f"a@{name}.example") for name in ("wide", "null", "lost")),
        *(parse(text) for text in ("a@localhost", "a@[192.0.2.1]", "a@b!", "a@example.org")),
    ],
    "headers": [
        tuple(HeaderField(b"From", each) for each in each_one)
        for each_one in ((), (b" a@b.org",), (b" a@b.org", b" a@b.org"), (b" a <",))
    ],
    "client_name": ["unknown", "mx.example.org"],
    "reverse_client_name": ["unknown", "mx.example.org"],
    "recipient": [parse("bob@example.org"), parse("x@none.example")],
    "recipient_count": [1, 3],
    "sasl_username": ["", "alice"],
    "instance": ["i1", "i2", "i3"],
}

# Facts that a check needs only so that it is asked not before they are known.
FOR_THE_STAGE = {"crowded": {"recipient"}, "limit": {"recipient_count"}}


def _options(kind: Any) -> Iterator[dict[str, Any]]:
    """Every combination of the words that the options take; numbers stay at their defaults."""
    hints = get_type_hints(kind)
    known = {}
    for each in fields(kind):
        words = get_args(hints[each.name])
        if f"{kind.name}.{each.name}" in GIVEN:
            known[each.name] = GIVEN[f"{kind.name}.{each.name}"]
        elif words and all(isinstance(word, str) for word in words):
            known[each.name] = list(words)
        elif each.default is MISSING:
            pytest.fail(f"say in GIVEN what {kind.name}.{each.name} can be")
    for combination in itertools.product(*known.values()):
        yield dict(zip(known, combination, strict=True))


ALL: dict[str, Any] = {
    f"{name}-{'-'.join(map(str, options.values()))}": kind(**options)
    for name, kind in CHECKS.items()
    for options in _options(kind)
}
ALL["rating-above"] = CHECKS["rating"]("client", above=4.0)  # one of below and above
CASES = [pytest.param(check, id=name) for name, check in ALL.items()]


class Watched(Mail):
    """A mail that notes what is read of it."""

    __slots__ = ("read",)

    def __init__(self, known: dict[str, Any]) -> None:
        self.read: set[str] = set()
        super().__init__(Stage.EOM, _Noting(known, self.read))


class _Noting(dict[str, Any]):
    def __init__(self, known: dict[str, Any], read: set[str]) -> None:
        super().__init__(known)
        self._read = read

    def __getitem__(self, fact: str) -> Any:
        self._read.add(fact)
        return super().__getitem__(fact)

    def get(self, fact: str, default: Any = None) -> Any:
        self._read.add(fact)
        return super().get(fact, default)


class _ListsAll:
    """DNS lists, one of each kind, that have everything."""

    def asks(self, about: str) -> bool:
        return True

    async def look(self, about: str, what: Any) -> Listings:
        listed = [Listing("block", "127.0.0.2", "spam", 2.0), Listing("allow", "127.0.0.3", "ham", -0.5)]
        return Listings(tuple(listed))

    def verdict(self, listed: Listings, refused: bool) -> None:
        raise AssertionError("no check decides")


def _tools() -> Tools:
    dns = ZoneDns(ZONE, failing={"192.0.2.9": "timeout", "none.example TXT": "SERVFAIL"})
    kit = tools(
        dns,
        clock=Clock(),
        own_domains=frozenset({"example.org"}),
        lists={"x": list_of("192.0.2.1", ".example.org", "a@fail.example", "alice@", "AS64500")},
    )
    kit.networks = OneNetwork("192.0.2.8/32", Network(64500))
    kit.store = MemoryStore()
    kit.dns_lists = _ListsAll()
    _remember(kit.store, kit.clock.wall())
    return kit


def _remember(store: MemoryStore, now: float) -> None:
    """Correspondents, a known domain, an automatic list, ratings of each kind, and people's words."""
    known = ("correspondent a@fail.example|bob@example.org", "correspondent-any a@fail.example")
    for kind, value, verdict in (
        ("domain", "fail.example", "denied"),
        ("address", "a@fail.example", "approved"),
        ("client", "192.0.2.2", "approved"),
        ("client", "192.0.2.9", "denied"),
    ):
        asyncio.run(store.holds.say(Word(kind, value, verdict, "carol", "", now)))
    for key in (*known, "domain fail.example", "listed x|192.0.2.1", "listed x|192.0.2.0/24"):
        store.seen.note(key, now=now, keep=1000, value="rule")
    bad = ("client:192.0.2.1", "network:192.0.2.0/24", "asn:64500", "host:example.org", "login:alice")
    for _ in range(5):
        store.ratings.note((*bad, "domain:example.org"), -2.0, now=now, reason="refused")
        store.ratings.note(("client:192.0.2.2",), 2.0, now=now, reason="")


def _everything() -> dict[str, Any]:
    return {name: VALUES.get(name, [""])[0] for name in FACTS}


def _looks(check: Any) -> Iterator[tuple[set[str], Any]]:
    """What the check reads and finds for all values of what it says it needs."""
    kit, every = _tools(), _everything()
    needs = sorted(check.needs)
    for values in itertools.product(*(VALUES[fact] for fact in needs)):
        mail = Watched({**every, **dict(zip(needs, values, strict=True))})
        message = kit.for_message()
        message.asker.crowded = True
        yield mail.read, asyncio.run(look(check, mail, message))


@pytest.mark.parametrize("check", CASES)
def test_it_reads_exactly_what_it_needs(check: Any) -> None:
    read = set().union(*(read for read, _ in _looks(check)))
    assert read <= check.needs
    assert check.needs - read <= FOR_THE_STAGE.get(check.name, set())


@pytest.mark.parametrize("check", CASES)
def test_its_hits_have_its_reasons_and_values(check: Any) -> None:
    found = [found for _, found in _looks(check)]
    assert all(isinstance(each, Clear | Hit | Unsure) for each in found)
    hits = [each for each in found if isinstance(each, Hit)]
    assert hits
    for hit in hits:
        assert hit.reason in check.reasons
        assert set(hit.values) == set(check.says)


@pytest.mark.parametrize("kind", CHECKS.values(), ids=list(CHECKS))
def test_it_describes_itself(kind: Any) -> None:
    assert kind.__doc__
    assert isinstance(kind.cost, Cost)
    assert kind.reasons
    assert all(text.endswith(".") for text in (*kind.reasons.values(), *kind.says.values()))


@pytest.mark.parametrize("name", CHECKS)
def test_every_reason_can_be_given(name: str) -> None:
    given = set()
    for check in ALL.values():
        if check.name == name:
            given |= {found.reason for _, found in _looks(check) if isinstance(found, Hit)}
    assert given | ({"permerror"} if name == "spf" else set()) == set(CHECKS[name].reasons)
