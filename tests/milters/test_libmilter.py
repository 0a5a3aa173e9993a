"""The libmilter transport without libmilter: what its callbacks keep."""

import asyncio
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from milters.events import (
    Connect,
    EndOfMessage,
    Header,
    Helo,
    MailFrom,
    RcptTo,
)
from milters.message import MAX_FIELDS
from milters.settings import MilterSettings
from milters.wire import Offer, Steps
from tests.milters.scripted import ScriptedRules, house

libmilter = pytest.importorskip("milters.libmilter")


class Context:
    """What pymilter hands to a callback."""

    def __init__(self) -> None:
        self.replies: list[tuple[str, ...]] = []

    def getsymval(self, name: str) -> str | None:
        return None

    def setsymlist(self, stage: int, names: str) -> None:
        pass

    def setreply(self, *words: str) -> None:
        self.replies.append(words)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_a_flood_of_header_fields_is_not_kept(loop: asyncio.AbstractEventLoop) -> None:
    settings = MilterSettings("mx.example.org")
    server = SimpleNamespace(settings=settings, house=house(ScriptedRules()), loop=loop, talks=set())
    talk, context = libmilter.Talk(cast(Any, server)), Context()
    talk.negotiate(context, [Offer.ALL, Steps.ALL, 0, 0])
    for event, silent in (
        (Connect(b"client.example", "4", 4711, b"192.0.2.1"), Steps.SILENT_CONNECT),
        (Helo(b"client.example"), Steps.SILENT_HELO),
        (MailFrom(b"<a@b.example>"), Steps.SILENT_MAIL),
        (RcptTo(b"<u@x.example>"), Steps.SILENT_RCPT),
    ):
        talk.hear(context, event, silent, True)
    for _ in range(3 * MAX_FIELDS):
        talk.hear(context, Header(b"X", b" y"), Steps.SILENT_HEADER, False)
        assert len(talk._kept) <= libmilter._MAX_KEPT
    talk.hear(context, EndOfMessage(), 0, True)
    assert context.replies[0][:2] == ("552", "5.3.4")
