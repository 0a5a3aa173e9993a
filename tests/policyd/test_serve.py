"""Connections of the policy service, over a real unix socket."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from policyd.serve import PolicyServer, PolicySettings
from policyd.wire import MAX_REQUEST
from postward.carried import unseal
from postward.decision import Reject
from postward.finding import Unsure
from postward.tools import Answer, Trouble
from tests.dns_zone import ZoneDns
from tests.house import KEY, TestHouse, build

RULES = """\
shipped: off
rules:
  - {name: deny-client, check: list, with: {match: client, list: bad}, then: reject,
     reason: "No {client_ip}."}
  - {name: odd-sender, check: list, with: {match: sender, list: odd}, then: {score: 2.5}}
  - {name: not-him, check: list, with: {match: recipient, list: bad}, then: reject}
"""
LISTS = {
    "bad": "entries: [192.0.2.66, him@test.example]\n",
    "odd": "entries: [odd.example]\n",
}

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def request(**attributes: object) -> bytes:
    """One request; `state` is protocol_state."""
    base: dict[str, object] = {
        "request": "smtpd_access_policy",
        "protocol_state": attributes.pop("state", "RCPT"),
        "client_address": "192.0.2.1",
        "helo_name": "mx.good.example",
        "sender": "a@good.example",
        "recipient": "u@test.example",
        "instance": "1.2.3",
    }
    lines = "".join(f"{name}={value}\n" for name, value in {**base, **attributes}.items())
    return (lines + "\n").encode()


def serve(path: Path, built: TestHouse, talk: Talk, settings: PolicySettings | None = None) -> PolicyServer:
    """Run a server and `talk` on one connection to it."""

    async def run() -> PolicyServer:
        server = PolicyServer(built.house, settings or PolicySettings())
        listener = await asyncio.get_running_loop().create_unix_server(server.protocol, path / "s")
        reader, writer = await asyncio.open_unix_connection(path / "s")
        try:
            await asyncio.wait_for(talk(reader, writer), 10)
        finally:
            writer.close()
            listener.close()
            await server.drain(1)
        return server

    return asyncio.run(run())


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, raw: bytes) -> str:
    writer.write(raw)
    return await answer_from(reader)


async def answer_from(reader: asyncio.StreamReader) -> str:
    raw = await reader.readuntil(b"\n\n")
    return raw.decode("ascii").removeprefix("action=").removesuffix("\n\n")


@pytest.fixture
def built(tmp_path: Path) -> TestHouse:
    return build(tmp_path, RULES, LISTS)


def test_many_requests_on_one_connection(tmp_path: Path, built: TestHouse) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in range(50):
            assert await ask(reader, writer, request(instance=number)) == "DUNNO"

    serve(tmp_path, built, talk)


def test_a_refusal_carries_reason_and_trace(tmp_path: Path, built: TestHouse) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        action = await ask(reader, writer, request(client_address="192.0.2.66"))
        trace = built.records[0][2].trace
        assert action == f"550 5.7.1 No 192.0.2.66. [{trace}]"

    serve(tmp_path, built, talk)


def test_a_request_in_single_bytes(tmp_path: Path, built: TestHouse) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in request():
            writer.write(bytes([byte]))
            await writer.drain()
        assert await answer_from(reader) == "DUNNO"

    serve(tmp_path, built, talk)


def test_pipelined_requests_are_answered_in_order(tmp_path: Path, built: TestHouse) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            request(instance=1) + request(instance=2, client_address="192.0.2.66") + request(instance=3)
        )
        answers = [await answer_from(reader) for _ in range(3)]
        assert [answer.split()[0] for answer in answers] == ["DUNNO", "550", "DUNNO"]

    serve(tmp_path, built, talk)


def test_each_recipient_has_its_own_answer(tmp_path: Path, built: TestHouse) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert (await ask(reader, writer, request(recipient="him@test.example"))).startswith("550")
        assert await ask(reader, writer, request(recipient="her@test.example")) == "DUNNO"

    serve(tmp_path, built, talk)


def test_at_data_the_findings_are_signed_for_the_queue_id(tmp_path: Path, built: TestHouse) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        odd = {"sender": "x@odd.example"}
        assert await ask(reader, writer, request(**odd)) == "DUNNO"
        data = request(state="DATA", recipient="", recipient_count=1, queue_id="4ABC", **odd)
        action = await ask(reader, writer, data)
        assert action.startswith("PREPEND X-Postward-Findings: ")
        value = action.split(": ", 1)[1]
        carried = unseal(KEY, "4ABC", value)
        assert carried is not None
        assert (carried.score, carried.hits) == (2.5, (("odd-sender", 2.5),))
        assert carried.trace == built.records[0][2].trace
        assert unseal(KEY, "4ABD", value) is None

    serve(tmp_path, built, talk)


@pytest.mark.parametrize(
    "garbage",
    [b"\n\n", b"junk\n\n", b"request=other\n\n", request(state="LUNCH"), b"x" * (MAX_REQUEST + 1)],
)
def test_garbage_is_not_answered_and_ends_the_connection(
    tmp_path: Path, built: TestHouse, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await ask(reader, writer, request()) == "DUNNO"
        writer.write(garbage)
        assert await reader.read() == b""

    serve(tmp_path, built, talk)
    lines = [record.getMessage() for record in caplog.records if record.name == "postward.policyd"]
    assert len(lines) == 1
    assert lines[0].startswith("connection closed without an answer: ")


def test_own_trouble_is_not_answered(
    tmp_path: Path, built: TestHouse, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a defect")

    built.house.record = broken

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(request())
        assert await reader.read() == b""

    serve(tmp_path, built, talk)
    assert any("was not answered" in record.getMessage() for record in caplog.records)


class SlowDns(ZoneDns):
    """Every name takes until `go` is set."""

    def __init__(self) -> None:
        super().__init__("")
        self.go = asyncio.Event()

    async def ptr(self, address: object) -> Answer[str]:
        await self.go.wait()
        return Trouble("late")


SLOW_RULES = """\
shipped: off
rules:
  - {name: rdns, check: rdns, with: {verdict: missing}, then: reject, unsure: watch}
"""


def test_a_look_that_hangs_is_given_up_and_the_mail_is_not_punished(tmp_path: Path) -> None:
    built = build(tmp_path, SLOW_RULES, dns=SlowDns())

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await ask(reader, writer, request()) == "DUNNO"
        (judged,) = built.records[0][2].judged
        assert isinstance(judged.finding, Unsure)

    serve(tmp_path, built, talk, PolicySettings(deadline=0.05))


def test_what_is_pipelined_behind_a_slow_look_waits_its_turn(tmp_path: Path) -> None:
    dns = SlowDns()
    built = build(tmp_path, SLOW_RULES, dns=dns)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(request(instance=1) + request(instance=2))
        await asyncio.sleep(0)
        dns.go.set()
        assert [await answer_from(reader), await answer_from(reader)] == ["DUNNO", "DUNNO"]

    serve(tmp_path, built, talk)


def test_draining_answers_what_was_asked(tmp_path: Path) -> None:
    dns = SlowDns()
    built = build(tmp_path, SLOW_RULES, dns=dns)

    async def run() -> None:
        server = PolicyServer(built.house, PolicySettings())
        listener = await asyncio.get_running_loop().create_unix_server(server.protocol, tmp_path / "s")
        reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
        writer.write(request())
        while not any(connection.busy for connection in server.connections):  # noqa: ASYNC110  # no event tells
            await asyncio.sleep(0.001)
        listener.close()
        draining = asyncio.get_running_loop().create_task(server.drain(5))
        await asyncio.sleep(0)
        dns.go.set()
        await draining
        assert await reader.read() == b"action=DUNNO\n\n"
        writer.close()

    asyncio.run(asyncio.wait_for(run(), 10))


def test_a_silent_connection_is_closed(tmp_path: Path, built: TestHouse) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await ask(reader, writer, request()) == "DUNNO"
        assert await reader.read() == b""

    serve(tmp_path, built, talk, PolicySettings(idle=0.05))


def test_one_connection_too_many_is_closed(
    tmp_path: Path, built: TestHouse, caplog: pytest.LogCaptureFixture
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await ask(reader, writer, request()) == "DUNNO"
        second, other = await asyncio.open_unix_connection(tmp_path / "s")
        assert await second.read() == b""
        other.close()
        assert await ask(reader, writer, request()) == "DUNNO"

    serve(tmp_path, built, talk, PolicySettings(connections=1))
    assert "more than 1 connections" in caplog.text


def test_a_reload_changes_the_answers_of_an_open_connection(tmp_path: Path, built: TestHouse) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await ask(reader, writer, request(instance=1)) == "DUNNO"
        (built.directory / "lists" / "bad.yml").write_text("entries: [192.0.2.1]\n")
        built.reload()
        assert await ask(reader, writer, request(instance=1)) == "DUNNO"  # it began with the old rules
        assert (await ask(reader, writer, request(instance=2))).startswith("550")

    serve(tmp_path, built, talk)
    assert isinstance(built.records[-1][2].decision, Reject)


def test_after_rcpt_nothing_is_judged_again_where_no_rule_waits_for_data(
    tmp_path: Path, built: TestHouse
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ask(reader, writer, request())
        assert (await ask(reader, writer, request(state="DATA", queue_id="4A"))).startswith("PREPEND ")
        assert await ask(reader, writer, request(state="END-OF-MESSAGE", queue_id="4A")) == "DUNNO"

    serve(tmp_path, built, talk)
    told = [(judgement.stage.word, len(judgement.judged)) for _, _, judgement in built.records]
    assert told == [("rcpt", 3), ("data", 0)]  # the second only tells the queue id


def test_a_message_that_is_first_heard_of_at_data_is_judged_then(tmp_path: Path, built: TestHouse) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = request(state="DATA", queue_id="4A", client_address="192.0.2.66")
        assert (await ask(reader, writer, data)).startswith("550")

    serve(tmp_path, built, talk)
