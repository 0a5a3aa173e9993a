"""The resolver against a real server on loopback that answers, errs, stalls and lies."""

import asyncio
import gc
import ipaddress
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from postward import eager
from postward.dns import resolver as module
from postward.dns.resolver import Resolver
from postward.tools import ASKER, Answer, NoData, NoName, Records, Trouble
from tests.dns_server import DnsServer, unused_port
from tests.pretend import Clock

ZONE = """
a.example.       A     192.0.2.1
a.example.       AAAA  2001:db8::1
a.example.       MX    10 a.example.
a.example.       TXT   "hello" "world"
alias.example.   CNAME a.example.
ring1.example.   CNAME ring2.example.
ring2.example.   CNAME ring1.example.
1.2.0.192.in-addr.arpa.  PTR  a.example.
"""
FOUND = Records(("192.0.2.1",), 300)


def _resolver(*servers: tuple[str, int], clock: Clock | None = None, timeout: float = 0.2) -> Resolver:
    return Resolver(servers, timeout, 2, 100, clock or Clock())


def _run(
    work: Callable[[Resolver, DnsServer], Awaitable[Any]], mode: str = "answer", clock: Clock | None = None
) -> Any:
    async def main() -> Any:
        async with DnsServer(ZONE, mode) as server:
            resolver = _resolver(server.address, clock=clock)
            try:
                return await asyncio.wait_for(work(resolver, server), 20)
            finally:
                await resolver.close()

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (lambda r: r.a("a.example"), FOUND),
        (lambda r: r.a("A.Example."), FOUND),
        (lambda r: r.aaaa("a.example"), Records(("2001:db8::1",), 300)),
        (lambda r: r.mx("a.example"), Records(((10, "a.example"),), 300)),
        (lambda r: r.txt("a.example"), Records(((b"hello", b"world"),), 300)),
        (lambda r: r.ptr(ipaddress.ip_address("192.0.2.1")), Records(("a.example",), 300)),
        (lambda r: r.ptr(ipaddress.ip_address("2001:db8::2")), NoName(60)),
        (lambda r: r.a("alias.example"), FOUND),
        (lambda r: r.a("nobody.example"), NoName(60)),
        (lambda r: r.txt("alias.example"), Records(((b"hello", b"world"),), 300)),
        (lambda r: r.mx("ring1.example"), Trouble("CNAME chain too long")),
        (lambda r: r.txt("1.2.0.192.in-addr.arpa"), NoData(60)),
    ],
)
def test_answers(question: Callable[[Resolver], Awaitable[Answer[Any]]], answer: Answer[Any]) -> None:
    assert _run(lambda resolver, _: question(resolver)) == answer


@pytest.mark.parametrize(
    ("mode", "answer"),
    [
        ("SERVFAIL", Trouble("SERVFAIL")),
        ("REFUSED", Trouble("REFUSED")),
        ("silence", Trouble("no answer in 0.2 s")),
        ("wrong-id", Trouble("no answer in 0.2 s")),
        ("wrong-question", Trouble("no answer in 0.2 s")),
        ("always-truncated", Trouble("a reply to another question")),
        ("garbage", Trouble("not readable: BadEDNS")),
        ("huge", Trouble("a reply of 65535 octets")),
        ("cut", Trouble("connection closed in the middle of a reply")),
    ],
)
def test_trouble_is_told_apart_from_denial(mode: str, answer: Trouble) -> None:
    assert _run(lambda resolver, _: resolver.a("a.example"), mode) == answer


@pytest.mark.parametrize("mode", ["truncate", "short", "lower-case"])
def test_tcp_helps_where_udp_cannot_be_trusted(mode: str) -> None:
    async def work(resolver: Resolver, server: DnsServer) -> int:
        assert await resolver.a("a.example") == FOUND
        return server.count("tcp")

    assert _run(work, mode) == 1


def test_a_denial_without_soa_is_kept_for_seconds_only() -> None:
    assert _run(lambda resolver, _: resolver.a("nobody.example"), "no-soa") == NoName(5)


def test_aliases_that_the_server_does_not_follow_are_followed() -> None:
    async def work(resolver: Resolver, server: DnsServer) -> Any:
        server.follows_aliases = False
        return await resolver.a("alias.example"), await resolver.a("ring1.example")

    assert _run(work) == (FOUND, Trouble("CNAME chain too long"))


def test_a_hundred_askers_make_one_query() -> None:
    async def work(resolver: Resolver, server: DnsServer) -> int:
        answers = await asyncio.gather(*(resolver.a("a.example") for _ in range(100)))
        assert set(answers) == {FOUND}
        return server.count()

    assert _run(work) == 1


def test_an_asker_who_gives_up_takes_nobody_along() -> None:
    async def work(resolver: Resolver, server: DnsServer) -> Any:
        first = asyncio.create_task(resolver.a("a.example"))
        second = asyncio.create_task(resolver.a("a.example"))
        await server.reached(1)
        first.cancel()
        server.go.set()
        answer = await second
        assert first.cancelled()
        return answer, server.count()

    assert _run(work, "wait") == (FOUND, 1)


def test_a_query_that_all_gave_up_still_fills_the_cache() -> None:
    async def work(resolver: Resolver, server: DnsServer) -> Any:
        only = asyncio.create_task(resolver.a("a.example"))
        await server.reached(1)
        only.cancel()
        server.go.set()
        answer = await resolver.a("a.example")
        return answer, server.count()

    assert _run(work, "wait") == (FOUND, 1)


def test_a_hit_does_not_wait() -> None:
    async def work(resolver: Resolver, _: DnsServer) -> Any:
        address = ipaddress.ip_address("192.0.2.1")
        await resolver.a("a.example")
        await resolver.ptr(address)
        return [eager.start(resolver.a("A.example.")), eager.start(resolver.ptr(address))]

    assert all(isinstance(each, eager.Ready) for each in _run(work))


def test_an_answer_is_asked_for_again_when_its_time_is_over() -> None:
    clock = Clock()

    async def work(resolver: Resolver, server: DnsServer) -> int:
        await resolver.a("a.example")
        clock.pass_by(301)
        await resolver.a("a.example")
        return server.count()

    assert _run(work, clock=clock) == 2


def test_trouble_is_remembered_for_seconds() -> None:
    clock = Clock()

    async def work(resolver: Resolver, server: DnsServer) -> Any:
        await resolver.a("a.example")
        await resolver.a("a.example")
        first = server.count()
        server.mode = "answer"
        clock.pass_by(4)
        return first, await resolver.a("a.example")

    assert _run(work, "SERVFAIL", clock) == (1, FOUND)


@pytest.mark.parametrize("name", ["a\0b.example", "ä.example", "a..example", "", "x" * 300])
def test_an_impossible_name_is_not_asked(name: str) -> None:
    async def work(resolver: Resolver, server: DnsServer) -> Any:
        return type(await resolver.txt(name)), server.count()

    assert _run(work) == (NoName, 0)


@pytest.mark.parametrize("mode", ["SERVFAIL", "silence", "garbage"])
def test_the_second_server_helps(mode: str) -> None:
    async def main() -> Any:
        async with DnsServer(ZONE, mode) as bad, DnsServer(ZONE) as good:
            return await _resolver(bad.address, good.address).a("a.example")

    assert asyncio.run(main()) == FOUND


def test_the_server_that_answered_is_asked_first() -> None:
    async def main() -> int:
        async with DnsServer(ZONE, "silence") as bad, DnsServer(ZONE) as good:
            resolver = _resolver(bad.address, good.address)
            for number in range(5):
                await resolver.a(f"n{number}.example")
            return bad.count()

    assert asyncio.run(main()) == 1


def test_nobody_listens() -> None:
    found = asyncio.run(_resolver(("127.0.0.1", unused_port())).a("a.example"))
    assert isinstance(found, Trouble)
    assert "refused" in found.why


def test_queries_in_flight_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IN_FLIGHT", 3)
    monkeypatch.setattr(module, "WAITING", 4)

    async def work(resolver: Resolver, server: DnsServer) -> Any:
        tasks = [asyncio.create_task(resolver.a(f"n{number}.example")) for number in range(10)]
        await server.reached(3)
        refused = [task.result() for task in tasks if task.done()]
        at_once = server.count()
        server.go.set()
        answers = await asyncio.gather(*tasks)
        return at_once, refused, answers.count(NoName(60))

    assert _run(work, "wait") == (3, [Trouble("too many queries under way")] * 3, 7)


def test_a_client_network_has_its_share_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IN_FLIGHT", 8)
    monkeypatch.setattr(module, "WAITING", 32)

    async def ask(resolver: Resolver, client: str, name: str) -> Any:
        ASKER.set(ipaddress.ip_address(client))
        return await resolver.a(name)

    async def work(resolver: Resolver, server: DnsServer) -> Any:
        flood = [
            asyncio.create_task(ask(resolver, f"192.0.2.{number}", f"slow{number}.example"))
            for number in range(20)
        ]
        await server.reached(2)
        other = asyncio.create_task(ask(resolver, "198.51.100.1", "a.example"))
        await server.reached(3)
        at_once = [name for _, _, name in server.asked]
        refused = [task.result() for task in flood if task.done()]
        server.go.set()
        return at_once[2].lower(), refused, await other, len(await asyncio.gather(*flood))

    third, refused, answer, asked = _run(work, "wait")
    assert third == "a.example"  # two of the flood are at the servers, and it need not wait for them
    assert refused == [Trouble("too many queries under way for one client network")] * 10
    assert (answer, asked) == (FOUND, 20)


def test_a_share_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IN_FLIGHT", 4)
    monkeypatch.setattr(module, "WAITING", 4)

    async def work(resolver: Resolver, server: DnsServer) -> int:
        ASKER.set(ipaddress.ip_address("2001:db8::1"))
        for number in range(20):
            await resolver.a(f"n{number}.example")
        return server.count()

    assert _run(work) == 20


def test_closing_ends_what_is_under_way() -> None:
    async def work(resolver: Resolver, server: DnsServer) -> bool:
        asker = asyncio.create_task(resolver.a("a.example"))
        await server.reached(1)
        await resolver.close()
        await asyncio.wait({asker})
        return asker.cancelled()

    assert _run(work, "wait")


def test_a_flood_of_names_does_not_grow_memory() -> None:
    async def work(resolver: Resolver, _: DnsServer) -> int:
        async def ask(upto: int) -> int:
            for number in range(upto - 300, upto):
                await resolver.a(f"n{number}.example")
            gc.collect()
            return tracemalloc.get_traced_memory()[0]

        before = await ask(300)
        return await ask(600) - before

    tracemalloc.start()
    try:
        assert _run(work) < 150_000
    finally:
        tracemalloc.stop()


def test_a_resolver_needs_a_server() -> None:
    with pytest.raises(ValueError, match="needs a server"):
        _resolver()
