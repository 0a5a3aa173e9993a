"""One connection of the policy protocol, held by an smtpd process of Postfix.

Requests of one connection are answered in their order; what is pipelined behind a judgement that
waits is kept back. On our own trouble there is no answer: one log line, the connection is closed,
and the service's `default_action` in main.cf decides (DESIGN: "When something breaks").
"""

import asyncio
import logging
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast

from policyd.wire import Framer, ProtocolError
from postward import eager
from postward.mail import Mail
from postward.rules.judge import Case
from postward.rules.judgement import Judgement

if TYPE_CHECKING:
    from policyd.serve import PolicyServer

_log = logging.getLogger("postward.policyd")
_HIGH_WATER = 64  # requests kept back before reading is paused


class Question(NamedTuple):
    """A request that the rules have to answer; `carries`: the milter is to hear what was found."""

    case: Case
    mail: Mail
    carries: bool


class PolicyConnection(asyncio.Protocol):
    """One connection of an smtpd process."""

    __slots__ = (
        "_ended",
        "_framer",
        "_full",
        "_loop",
        "_requests",
        "_server",
        "_task",
        "_transport",
        "asked",
        "heard",
        "instance",
    )

    def __init__(self, server: "PolicyServer") -> None:
        self._server = server
        self._framer = Framer()
        self._requests: deque[bytes] = deque()
        self._task: asyncio.Task[Judgement] | None = None
        self._ended = False
        self._full = False
        self._loop = asyncio.get_running_loop()
        self.heard = self._loop.time()
        """When the last request ended, or the one that is unfinished began."""
        self.asked = False
        self.instance = ""
        """The message that was asked about last."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        if not self._server.admit(self):
            self.cut()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._server.connections.discard(self)
        self._requests.clear()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        begun = self._framer.unfinished
        try:
            requests = self._framer.feed(data)
        except ProtocolError as error:
            self.abort(str(error))
            return
        if requests or not begun:  # else a peer that sends single octets would never be slow
            self.heard = self._loop.time()
        self._requests.extend(requests)
        if len(self._requests) > _HIGH_WATER:
            self._transport.pause_reading()
        if self._task is None:
            self._work()

    def pause_writing(self) -> None:
        """The peer does not read its answers: nothing more is done for it until it does."""
        self._full = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._full = False
        if self._task is None:
            self._work()

    def _work(self) -> None:
        """Answer the requests in order, until one has to wait."""
        out: list[bytes] = []
        while self._requests and not self._ended and not self._full:
            self.asked = True
            try:
                asked = self._server.ask(self._requests.popleft(), self)
                if isinstance(asked, Question):
                    stepped = eager.start(asked.case.judge(asked.mail, self._server.settings.deadline))
                    if isinstance(stepped, asyncio.Task):
                        self._wait_for(asked, stepped)
                        break
                    asked = self._server.answer(asked, stepped.value)
            except ProtocolError as error:
                self._write(out)
                self.abort(str(error))
                return
            except Exception:  # noqa: BLE001  # our own trouble: no answer, Postfix's default_action decides
                _log.exception("a request was not answered")
                self._write(out)
                self.abort("own trouble")
                return
            out.append(asked)
        self._write(out)
        stays = not (self._ended or self._full or self._transport.is_closing())
        if stays and len(self._requests) <= _HIGH_WATER:
            self._transport.resume_reading()

    def _write(self, out: list[bytes]) -> None:
        if out and not self._transport.is_closing():
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))

    def _wait_for(self, question: Question, task: asyncio.Task[Judgement]) -> None:
        self._task = task
        task.add_done_callback(partial(self._answered, question))

    def _answered(self, question: Question, task: asyncio.Task[Judgement]) -> None:
        self._task = None
        self.heard = self._loop.time()
        if task.cancelled():
            return
        try:
            self._write([self._server.answer(question, task.result())])
        except Exception:  # noqa: BLE001  # our own trouble, as in _work
            _log.exception("a request was not answered")
            self.abort("own trouble")
            return
        if self._ended:
            self._transport.close()
        else:
            self._work()

    @property
    def busy(self) -> bool:
        """A request waits for its judgement."""
        return self._task is not None

    def finish(self) -> asyncio.Task[Judgement] | None:
        """Close as soon as the request under way, whose task is returned, is answered."""
        self._ended = True
        if self._task is None:
            self._transport.close()
        return self._task

    def abort(self, why: str) -> None:
        """Close without an answer, with one log line."""
        self._ended = True
        if not self._transport.is_closing():
            _log.warning("connection closed without an answer: %s", why)
            self._transport.close()

    def cut(self) -> None:
        """Close without a word, whatever waits to be written."""
        self._ended = True
        self._transport.abort()

    def close_if_slow(self, now: float) -> None:
        """Close a peer that dawdles, or that has nothing to ask for too long: its smtpd has gone."""
        if self._task is not None:
            return  # a judgement has its own deadline
        settings = self._server.settings
        dawdles = self._framer.unfinished or self._full or not self.asked
        limit = min(settings.request, settings.idle) if dawdles else settings.idle
        if now - self.heard > limit:
            if self._framer.unfinished:
                _log.warning("connection closed: a request took more than %.0f s", limit)
            self.cut()
