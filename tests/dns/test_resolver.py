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
from postward.tools import ASKER, Answer, Asker, NoData, NoName, Records, Trouble
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
        ("garbage", Trouble("65535 records")),
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


def test_a_query_that_all_gave_up_is_given_up() -> None:
    async def work(resolver: Resolver, server: DnsServer) -> Any:
        only = asyncio.create_task(resolver.a("a.example"))
        await server.reached(1)
        only.cancel()
        await asyncio.wait({only})
        server.go.set()
        answer = await resolver.a("a.example")
        return answer, server.count()

    assert _run(work, "wait") == (FOUND, 2)


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


async def _ask(resolver: Resolver, asker: Asker, name: str) -> Any:
    ASKER.set(asker)
    return await resolver.a(name)


def _asker(client: str) -> Asker:
    return Asker(ipaddress.ip_address(client))


def _flood(resolver: Resolver, askers: list[Asker], name: str) -> list["asyncio.Task[Any]"]:
    """A query of each asker; `{}` in the name is its number."""
    asked = (_ask(resolver, asker, name.format(number)) for number, asker in enumerate(askers))
    return [asyncio.create_task(each) for each in asked]


def test_a_client_network_has_its_share_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IN_FLIGHT", 8)
    monkeypatch.setattr(module, "WAITING", 32)

    async def work(resolver: Resolver, server: DnsServer) -> Any:
        askers = [_asker(f"192.0.2.{number}") for number in range(20)]
        flood = _flood(resolver, askers, "slow.x{}.example")
        await server.reached(2)
        honest = _asker("198.51.100.1")
        other = asyncio.create_task(_ask(resolver, honest, "a.example"))
        await server.reached(3)
        at_once = [name for _, _, name in server.asked]
        refused = [task.result() for task in flood if task.done()]
        server.go.set()
        answers = len(await asyncio.gather(*flood))
        crowded = sum(asker.crowded for asker in askers)
        return at_once[2].lower(), refused, await other, answers, crowded, honest.crowded

    third, refused, answer, asked, crowded, honest = _run(work, "wait")
    assert third == "a.example"  # two of the flood are at the servers, and it need not wait for them
    assert refused == [Trouble("your network has too many queries under way")] * 10
    assert (answer, asked, crowded, honest) == (FOUND, 20, 10, False)


def test_a_zone_without_answers_keeps_its_askers_other_names_not_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "IN_FLIGHT", 48)

    async def work(resolver: Resolver, server: DnsServer) -> Any:
        asker = _asker("192.0.2.1")
        _flood(resolver, [asker] * 20, "d{}.hole.example")
        await server.reached(4)
        resolver_task = asyncio.create_task(_ask(resolver, asker, "a.example"))
        await server.reached(5)
        return [name.lower() for _, _, name in server.asked][4], resolver_task.cancel()

    assert _run(work, "wait")[0] == "a.example"


def test_reverse_names_and_lists_have_queues_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IN_FLIGHT", 4)

    async def work(resolver: Resolver, server: DnsServer) -> Any:
        asker = _asker("192.0.2.1")
        ASKER.set(asker)
        flood = _flood(resolver, [asker] * 10, "slow.x{}.example")
        await server.reached(1)
        listed = asyncio.create_task(_ask(resolver.apart(), asker, "1.2.0.192.list.example"))
        await server.reached(2)
        reverse = asyncio.create_task(resolver.ptr(asker.client))  # type: ignore[arg-type]  # it has one
        await server.reached(3)
        server.go.set()
        await asyncio.gather(*flood, listed)
        return await reverse

    assert _run(work, "wait") == Records(("a.example",), 300)


def test_nobody_waits_in_the_queue_of_another_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IN_FLIGHT", 8)

    async def work(resolver: Resolver, server: DnsServer) -> Any:
        _flood(resolver, [_asker("192.0.2.1")] * 10, "slow.x{}.example")
        await server.reached(1)
        queued = asyncio.create_task(_ask(resolver, _asker("192.0.2.1"), "a.example"))
        await asyncio.sleep(0)
        other = asyncio.create_task(_ask(resolver, _asker("198.51.100.1"), "a.example"))
        await server.reached(2)
        server.go.set()
        return await other, await queued

    assert _run(work, "wait") == (FOUND, FOUND)


def test_who_waits_long_for_its_own_network_is_crowded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IN_FLIGHT", 8)
    clock = Clock()

    async def work(resolver: Resolver, server: DnsServer) -> Any:
        first, second, late = (_asker("192.0.2.1") for _ in range(3))
        asked = [asyncio.create_task(_ask(resolver, first, "a.example"))]
        await server.reached(1)
        asked.append(asyncio.create_task(_ask(resolver, second, "b.example")))
        given_up = asyncio.create_task(_ask(resolver, late, "c.example"))
        await asyncio.sleep(0)
        clock.pass_by(0.6)
        given_up.cancel()
        await asyncio.wait({given_up})
        server.go.set()
        await asyncio.gather(*asked)
        return [asker.crowded for asker in (first, second, late)], server.count()

    assert _run(work, "wait", clock) == ([False, True, True], 2)


def test_who_gives_up_while_waiting_leaves_its_place_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IN_FLIGHT", 8)
    monkeypatch.setattr(module, "WAITING", 0)

    async def work(resolver: Resolver, server: DnsServer) -> Any:
        client = _asker("192.0.2.1")
        for number in range(30):
            gone = asyncio.create_task(_ask(resolver, client, f"slow.x{number}.example"))
            await asyncio.sleep(0)
            gone.cancel()
            await asyncio.wait({gone})
        server.go.set()
        return await _ask(resolver, client, "a.example"), client.crowded

    assert _run(work, "wait") == (FOUND, False)


def test_a_share_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IN_FLIGHT", 4)
    monkeypatch.setattr(module, "WAITING", 4)

    async def work(resolver: Resolver, server: DnsServer) -> int:
        ASKER.set(Asker(ipaddress.ip_address("2001:db8::1")))
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
