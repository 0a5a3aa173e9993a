"""The client's reverse name: what is missing, what does not match, and what nobody could tell."""

import asyncio
import ipaddress

import pytest

from postward.derive.iprev import KEEP, Iprev, iprev
from postward.mail import Mail
from postward.stage import Stage
from postward.state import Sighting, StoreDown
from postward.tools import Tools
from tests.dns_zone import ZoneDns
from tests.pretend import Clock, tools

ZONE = """
1.2.0.192.in-addr.arpa.  PTR mx.example.org.
2.2.0.192.in-addr.arpa.  PTR elsewhere.example.org.
3.2.0.192.in-addr.arpa.  PTR nobody.example.org.
4.2.0.192.in-addr.arpa.  TXT "no name"
5.2.0.192.in-addr.arpa.  PTR nobody.example.org.
5.2.0.192.in-addr.arpa.  PTR many.example.org.
6.2.0.192.in-addr.arpa.  PTR broken.example.org.
7.2.0.192.in-addr.arpa.  PTR broken.example.org.
7.2.0.192.in-addr.arpa.  PTR many.example.org.
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR mx.example.org.
mx.example.org.         A    192.0.2.1
mx.example.org.         AAAA 2001:db8:0:0::1
elsewhere.example.org.  A    198.51.100.1
many.example.org.       A    198.51.100.1
many.example.org.       A    192.0.2.5
many.example.org.       A    192.0.2.7
"""
FAILING = {"192.0.2.9": "timeout", "broken.example.org": "SERVFAIL"}


def _iprev(client: str | None, dns: ZoneDns | None = None) -> Iprev:
    mail = Mail().learn(Stage.CONNECT, client_address=ipaddress.ip_address(client) if client else None)
    return asyncio.run(iprev(mail, tools(dns or ZoneDns(ZONE, failing=FAILING))))


@pytest.mark.parametrize(
    ("client", "found"),
    [
        ("192.0.2.1", Iprev("pass", "mx.example.org")),
        ("2001:db8::1", Iprev("pass", "mx.example.org")),
        ("192.0.2.2", Iprev("mismatch", "elsewhere.example.org")),
        ("192.0.2.3", Iprev("mismatch", "nobody.example.org")),
        ("192.0.2.4", Iprev("missing")),
        ("192.0.2.8", Iprev("missing")),
        ("192.0.2.5", Iprev("pass", "many.example.org")),
        ("192.0.2.6", Iprev("temperror", "broken.example.org", "broken.example.org: SERVFAIL")),
        ("192.0.2.7", Iprev("pass", "many.example.org")),
        ("192.0.2.9", Iprev("temperror", why="PTR: timeout")),
        (None, Iprev("none")),
    ],
)
def test_kinds(client: str | None, found: Iprev) -> None:
    assert _iprev(client) == found


def test_a_thousand_names_are_ten_queries() -> None:
    dns = ZoneDns()
    dns.add("1.2.0.192.in-addr.arpa", "PTR", *(f"n{number}.example.org" for number in range(1000)))
    assert _iprev("192.0.2.1", dns).kind == "mismatch"
    assert len(dns.queries) == 11


def test_forward_look_ups_are_made_at_the_same_time() -> None:
    dns = ZoneDns(ZONE, delay=1e-6)
    dns.add("9.2.0.192.in-addr.arpa", "PTR", *(f"n{number}.example.org" for number in range(5)))
    at_once: list[int] = []

    async def main() -> None:
        mail = Mail().learn(Stage.CONNECT, client_address=ipaddress.ip_address("192.0.2.9"))
        task = asyncio.ensure_future(iprev(mail, tools(dns)))
        while not task.done():
            at_once.append(len(dns.queries))
            await asyncio.sleep(0)

    asyncio.run(main())
    assert set(at_once) - {0} == {1, 6}


def test_hostile_names_do_no_harm() -> None:
    dns = ZoneDns()
    dns.add("1.2.0.192.in-addr.arpa", "PTR", "a\\000b.example", "<script>", "x" * 255, "", "\udcff")
    assert _iprev("192.0.2.1", dns).kind == "mismatch"


def test_it_is_looked_up_once_a_message() -> None:
    dns = ZoneDns(ZONE)

    async def main() -> None:
        kit = tools(dns)
        mail = Mail().learn(Stage.CONNECT, client_address=ipaddress.ip_address("192.0.2.1"))
        await asyncio.gather(*(iprev(mail, kit) for _ in range(10)))

    asyncio.run(main())
    assert len(dns.queries) == 2


class _Memory:
    """A memory that counts what it is asked, or is down."""

    def __init__(self, down: str = "") -> None:
        self.down, self.noted, self.asked = down, 0, 0
        self._known: dict[str, Sighting] = {}

    def note(self, key: str, *, now: float, keep: float, value: str = "") -> None:
        assert keep == KEEP
        self.noted += 1
        self._known[key] = Sighting(now, now, 1, value)

    async def find(self, key: str, *, now: float) -> Sighting | None:
        self.asked += 1
        if self.down:
            raise StoreDown(self.down)
        return self._known.get(key)


def _with(memory: _Memory, zone: str = ZONE, clock: Clock | None = None) -> Tools:
    kit = tools(ZoneDns(zone, failing=FAILING), clock=clock)
    kit.store.seen = memory  # type: ignore[misc,assignment]  # a store for this test
    return kit


def _ask(client: str, kit: Tools) -> Iprev:
    kit.client = {}
    mail = Mail().learn(Stage.CONNECT, client_address=ipaddress.ip_address(client))
    return asyncio.run(iprev(mail, kit))


def test_a_good_name_is_remembered_when_it_is_gone() -> None:
    memory = _Memory()
    _ask("192.0.2.1", _with(memory))
    found = _ask("192.0.2.1", _with(memory, zone=""))
    assert found.kind == "missing"
    assert found.before is not None
    assert found.before.value == "mx.example.org"


def test_a_good_name_that_stays_costs_no_note_and_no_question() -> None:
    memory = _Memory()
    kit = _with(memory)
    for _ in range(100):
        _ask("192.0.2.1", kit)
    assert (memory.noted, memory.asked) == (1, 0)


def test_what_was_noted_belongs_to_one_daemon() -> None:
    memories = _Memory(), _Memory()
    for memory in memories:
        _ask("192.0.2.1", _with(memory))
    assert [memory.noted for memory in memories] == [1, 1]


def test_another_good_name_is_noted_at_once() -> None:
    memory = _Memory()
    kit = _with(memory)
    for zone in (ZONE, "1.2.0.192.in-addr.arpa. PTR new.example.org.\nnew.example.org. A 192.0.2.1"):
        kit.dns = ZoneDns(zone)
        _ask("192.0.2.1", kit)
    assert memory.noted == 2


def test_a_64_of_ipv6_is_one_client_to_the_memory() -> None:
    memory = _Memory()
    kit, dns = _with(memory), ZoneDns()
    for number in range(50):
        address = ipaddress.ip_address(f"2001:db8::{number}")
        dns.add(address.reverse_pointer, "PTR", f"n{number}.example.org")
        dns.add(f"n{number}.example.org", "AAAA", str(address))
    kit.dns = dns
    for number in range(50):
        assert _ask(f"2001:db8::{number}", kit).kind == "pass"
    assert memory.noted == 1


def test_a_good_name_is_noted_again_after_some_hours() -> None:
    memory, clock = _Memory(), Clock()
    kit = _with(memory, clock=clock)
    for _ in range(3):
        _ask("192.0.2.1", kit)
        clock.pass_by(6 * 3600)
    assert memory.noted == 3


@pytest.mark.parametrize("client", ["192.0.2.2", "192.0.2.3", "192.0.2.8", "192.0.2.9"])
def test_what_was_never_good_is_not_remembered(client: str) -> None:
    memory = _Memory()
    _ask(client, _with(memory))
    assert _ask(client, _with(memory)).before is None
    assert memory.noted == 0


def test_a_memory_that_is_down_says_so() -> None:
    found = _ask("192.0.2.8", _with(_Memory(down="locked")))
    assert (found.kind, found.before, found.forgotten) == ("missing", None, "locked")
