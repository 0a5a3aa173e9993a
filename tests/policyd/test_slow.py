"""Peers of the policy service that stall, dawdle, do not read, or begin messages and never end them."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from policyd.serve import PolicyServer, PolicySettings
from tests.house import TestHouse, build
from tests.policyd.test_serve import LISTS, RULES, ask, request

Attack = Callable[[PolicyServer, str], Awaitable[None]]


@pytest.fixture
def built(tmp_path: Path) -> TestHouse:
    return build(tmp_path, RULES, LISTS)


def attack(built: TestHouse, settings: PolicySettings, work: Attack) -> None:
    """Run a server, and `work` with it and the path of its socket."""

    async def run() -> None:
        server = PolicyServer(built.house, settings)
        path = str(built.directory / "s")
        listener = await asyncio.get_running_loop().create_unix_server(server.protocol, path)
        try:
            await asyncio.wait_for(work(server, path), 10)
        finally:
            listener.close()
            await server.drain(1)

    asyncio.run(run())


async def until(true: Callable[[], bool]) -> None:
    """Poll: there is no event for what a server does by itself."""
    while not true():  # noqa: ASYNC110
        await asyncio.sleep(0.005)


def test_answers_that_nobody_reads_do_not_pile_up(built: TestHouse) -> None:
    async def work(server: PolicyServer, path: str) -> None:
        _, writer = await asyncio.open_unix_connection(path)
        flood = request() * 500
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                while True:  # it stops to read from us long before memory is full
                    writer.write(flood)
                    await writer.drain()
        (connection,) = server.connections
        assert connection._transport.get_write_buffer_size() < 1_000_000
        writer.transport.abort()

    attack(built, PolicySettings(), work)


def test_a_peer_that_reads_its_answers_late_gets_all_of_them(built: TestHouse) -> None:
    async def work(server: PolicyServer, path: str) -> None:
        reader, writer = await asyncio.open_unix_connection(path)
        many = 30_000
        sending = asyncio.get_running_loop().create_task(_send(writer, request() * many))
        await until(lambda: any(each._full for each in server.connections))
        for _ in range(many):
            assert await reader.readexactly(14) == b"action=DUNNO\n\n"
        await sending
        writer.close()

    attack(built, PolicySettings(), work)


async def _send(writer: asyncio.StreamWriter, octets: bytes) -> None:
    writer.write(octets)
    await writer.drain()


def test_a_peer_that_never_reads_is_cut_off(built: TestHouse) -> None:
    async def work(server: PolicyServer, path: str) -> None:
        _, writer = await asyncio.open_unix_connection(path)
        writer.write(request() * 30_000)
        await until(lambda: len(server.connections) == 1)
        await until(lambda: not server.connections)
        writer.close()

    attack(built, PolicySettings(request=0.2), work)


def test_a_request_octet_by_octet_is_cut_off(built: TestHouse, caplog: pytest.LogCaptureFixture) -> None:
    async def work(server: PolicyServer, path: str) -> None:
        reader, writer = await asyncio.open_unix_connection(path)
        assert await ask(reader, writer, request()) == "DUNNO"
        while server.connections:
            writer.write(b"a")
            await asyncio.sleep(0.01)
        writer.close()

    attack(built, PolicySettings(request=0.2), work)
    assert "a request took more than" in caplog.text


def test_a_connection_without_any_request_is_cut_off(built: TestHouse) -> None:
    async def work(server: PolicyServer, path: str) -> None:
        reader, writer = await asyncio.open_unix_connection(path)
        assert await reader.read() == b""
        writer.close()

    attack(built, PolicySettings(request=0.05), work)


def test_stalled_connections_make_room_for_one_that_asks(
    built: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("policyd.serve._QUIET", 0.0)

    async def work(server: PolicyServer, path: str) -> None:
        reader, writer = await asyncio.open_unix_connection(path)
        assert await ask(reader, writer, request()) == "DUNNO"
        stalled = [await asyncio.open_unix_connection(path) for _ in range(20)]
        assert await ask(reader, writer, request()) == "DUNNO"  # who has asked goes last
        assert len(server.connections) == 5
        other, to_other = await asyncio.open_unix_connection(path)
        assert await ask(other, to_other, request()) == "DUNNO"
        for _, each in [*stalled, (reader, writer), (other, to_other)]:
            each.close()

    attack(built, PolicySettings(connections=5), work)


def test_idle_connections_go_before_one_that_has_just_come(built: TestHouse) -> None:
    async def work(server: PolicyServer, path: str) -> None:
        idle = [await asyncio.open_unix_connection(path) for _ in range(5)]
        for pair in idle:
            assert await ask(*pair, request()) == "DUNNO"
        for connection in server.connections:
            connection.heard -= 2
        fresh = [await asyncio.open_unix_connection(path) for _ in range(5)]
        for pair in fresh:
            assert await ask(*pair, request()) == "DUNNO"
        for _, writer in idle + fresh:
            writer.close()

    attack(built, PolicySettings(connections=5), work)


def test_messages_that_are_begun_and_never_ended_are_forgotten(built: TestHouse) -> None:
    async def work(server: PolicyServer, path: str) -> None:
        reader, writer = await asyncio.open_unix_connection(path)
        for number in range(30):
            for recipient in ("a@test.example", "b@test.example"):
                asked = request(instance=f"{number}.0", recipient=recipient)
                assert await ask(reader, writer, asked) == "DUNNO"
        assert len(server.messages) == 1
        writer.close()

    attack(built, PolicySettings(), work)


def test_a_message_goes_on_where_the_connection_was_lost(built: TestHouse) -> None:
    async def work(server: PolicyServer, path: str) -> None:
        for state in ("RCPT", "DATA"):
            reader, writer = await asyncio.open_unix_connection(path)
            await ask(reader, writer, request(state=state, queue_id="4A"))
            writer.close()
        assert len({judgement.trace for _, _, judgement in built.records}) == 1

    attack(built, PolicySettings(), work)
