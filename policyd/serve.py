"""The policy protocol on asyncio: one process, many connections that stay open.

Requests of one connection are answered in their order; what is pipelined behind a judgement that
waits is kept back. On our own trouble there is no answer: one log line, the connection is closed,
and the service's `default_action` in main.cf decides (DESIGN: "When something breaks").
"""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, cast

from policyd.answer import action_of
from policyd.intake import mail_of, stage_of
from policyd.session import Messages
from policyd.wire import DUNNO, Framer, ProtocolError, answer, parse
from postward import eager
from postward.carried import seal
from postward.decision import CONTINUE, Accept, Continue, Decision, Quarantine
from postward.house import House
from postward.mail import Mail
from postward.rules.judge import Case
from postward.rules.judgement import Judgement
from postward.stage import Door, Stage

_log = logging.getLogger("postward.policyd")
_HIGH_WATER = 64  # requests kept back before reading is paused
_SWEEP = 1.0  # seconds between looks for slow peers
_QUIET = 1.0  # seconds: who has asked nothing for so long makes room for somebody new


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """`connections`: at most; `idle`: seconds without a request; `deadline`: seconds for a judgement.

    `request`: seconds that a peer may take for the first request of its connection, from the first
    octet of any to its end, and to read its answer.
    """

    connections: int = 500
    idle: float = 330.0
    deadline: float = 4.5
    request: float = 10.0


class PolicyServer:
    """Answers for all connections of the daemon. `House` may be changed under it at any time."""

    def __init__(self, house: House, settings: PolicySettings) -> None:
        self.house = house
        self.settings = settings
        self.messages = Messages()
        self.connections: set[PolicyConnection] = set()
        self._crowded = False
        self._sweeper: asyncio.TimerHandle | None = None

    def protocol(self) -> "PolicyConnection":
        """A protocol for one new connection: the factory for `loop.create_server`."""
        return PolicyConnection(self)

    async def drain(self, within: float) -> None:
        """Answer what was asked already, then close every connection, in at most `within` seconds."""
        busy = [task for connection in self.connections if (task := connection.finish()) is not None]
        if busy:
            await asyncio.wait(busy, timeout=within)
        await asyncio.sleep(0)  # the answers are written by callbacks of the tasks
        for connection in list(self.connections):
            connection.abort("still busy when the daemon stopped")

    def admit(self, connection: "PolicyConnection") -> bool:
        """Take a connection in, if need be in place of one that is silent; else there are too many."""
        full = len(self.connections) >= self.settings.connections
        if full and not self._crowded:
            _log.warning("more than %d connections: silent ones are closed", self.settings.connections)
        self._crowded = full
        if full and not self._make_room():
            return False
        self.connections.add(connection)
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(self._step, self._sweep)
        return True

    def _make_room(self) -> bool:
        """Give up who has been silent the longest: stalled ones, then idle ones, then who has just come."""
        since = asyncio.get_running_loop().time() - _QUIET
        idle = [each for each in self.connections if not each.busy]
        silent = [each for each in idle if each.heard <= since or not each.asked]
        if not silent:
            return False
        longest = min(silent, key=lambda each: (each.heard > since, each.asked, each.heard))
        self.connections.discard(longest)
        longest.cut()
        return True

    @property
    def _step(self) -> float:
        """Seconds until the next look for slow peers: far less than they are given."""
        return min(_SWEEP, self.settings.idle / 4, self.settings.request / 4)

    def _sweep(self) -> None:
        """Close those that dawdle or have gone."""
        loop = asyncio.get_running_loop()
        for connection in tuple(self.connections):
            connection.close_if_slow(loop.time())
        self._sweeper = loop.call_later(self._step, self._sweep) if self.connections else None

    def ask(self, request: bytes, peer: "PolicyConnection | None" = None) -> "bytes | Question":
        """The answer to one request, or the question to put to the rules. Raises ProtocolError.

        `peer`: whose connection it came by. Another instance there ends the one before.
        """
        attributes = parse(request)
        stage = stage_of(attributes)
        house = self.house
        carries = stage is Stage.DATA and house.rules.carries
        if not carries and not house.rules.any_due(Door.POLICYD, stage):
            return DUNNO
        mail = mail_of(attributes)
        instance = mail.instance
        if peer is not None and instance != peer.instance and instance:
            self.messages.forget(peer.instance)
            peer.instance = instance
        case = self.messages.case(instance, house.rules, house.tools)
        if stage is Stage.EOM:
            self.messages.forget(instance)
        question = Question(case, mail, carries)
        if not case.settled(stage):
            return question
        if stage is Stage.DATA:  # the journal is to know which queue id this message has
            house.record("policyd", mail, Judgement(case.trace, stage, CONTINUE, "", case.score, ()))
        return self._go_on(question, CONTINUE)

    def answer(self, question: "Question", judgement: Judgement) -> bytes:
        """The answer that the rules gave, recorded."""
        self.house.record("policyd", question.mail, judgement)
        return self._go_on(question, judgement.decision)

    def _go_on(self, question: "Question", decision: Decision) -> bytes:
        """The answer; to mail that goes on to the milter, with what was found."""
        case, mail, carries = question
        findings = ""
        if carries and mail.queue_id and isinstance(decision, Continue | Accept | Quarantine):
            findings = seal(self.house.findings_key, mail.queue_id, case.carry())
        return answer(action_of(decision, findings))


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

    def __init__(self, server: PolicyServer) -> None:
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
