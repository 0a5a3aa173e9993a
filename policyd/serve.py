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
from postward.decision import CONTINUE, Accept, Continue, Decision
from postward.house import House
from postward.mail import Mail
from postward.rules.judge import Case
from postward.rules.judgement import Judgement
from postward.stage import Door, Stage

_log = logging.getLogger("postward.policyd")
_HIGH_WATER = 64  # requests kept back before reading is paused


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """`connections`: at most; `idle`: seconds without a request; `deadline`: seconds for a judgement."""

    connections: int = 500
    idle: float = 330.0
    deadline: float = 8.0


class PolicyServer:
    """Answers for all connections of the daemon. `House` may be changed under it at any time."""

    def __init__(self, house: House, settings: PolicySettings) -> None:
        self.house = house
        self.settings = settings
        self.messages = Messages()
        self.connections: set[PolicyConnection] = set()
        self._refused = 0

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
        """Take a connection in, unless there are too many."""
        if len(self.connections) < self.settings.connections:
            self.connections.add(connection)
            self._refused = 0
            return True
        if self._refused == 0:
            _log.warning("more than %d connections: new ones are closed", self.settings.connections)
        self._refused += 1
        return False

    def ask(self, request: bytes) -> "bytes | Question":
        """The answer to one request, or the question to put to the rules. Raises ProtocolError."""
        attributes = parse(request)
        stage = stage_of(attributes)
        house = self.house
        carries = stage is Stage.DATA and house.rules.carries
        if not carries and not house.rules.any_due(Door.POLICYD, stage):
            return DUNNO
        mail = mail_of(attributes)
        instance = mail.instance
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
        if carries and mail.queue_id and isinstance(decision, Continue | Accept):
            findings = seal(self.house.findings_key, mail.queue_id, case.carry())
        return answer(action_of(decision, findings))


class Question(NamedTuple):
    """A request that the rules have to answer; `carries`: the milter is to hear what was found."""

    case: Case
    mail: Mail
    carries: bool


class PolicyConnection(asyncio.Protocol):
    """One connection of an smtpd process."""

    __slots__ = ("_ended", "_framer", "_idle", "_requests", "_server", "_task", "_transport")

    def __init__(self, server: PolicyServer) -> None:
        self._server = server
        self._framer = Framer()
        self._requests: deque[bytes] = deque()
        self._task: asyncio.Task[Judgement] | None = None
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        if not self._server.admit(self):
            self._ended = True
            self._transport.abort()
            return
        self._idle = _IdleClock(self, self._server.settings.idle)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._server.connections.discard(self)
        self._requests.clear()
        if self._task is not None:
            self._task.cancel()
        if hasattr(self, "_idle"):
            self._idle.stop()

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        self._idle.touch()
        try:
            self._requests.extend(self._framer.feed(data))
        except ProtocolError as error:
            self.abort(str(error))
            return
        if len(self._requests) > _HIGH_WATER:
            self._transport.pause_reading()
        if self._task is None:
            self._work()

    def _work(self) -> None:
        """Answer the requests in order, until one has to wait."""
        out: list[bytes] = []
        while self._requests and not self._ended:
            try:
                asked = self._server.ask(self._requests.popleft())
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
        if not self._ended and len(self._requests) <= _HIGH_WATER:
            self._transport.resume_reading()

    def _write(self, out: list[bytes]) -> None:
        if out and not self._transport.is_closing():
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))

    def _wait_for(self, question: Question, task: asyncio.Task[Judgement]) -> None:
        self._task = task
        task.add_done_callback(partial(self._answered, question))

    def _answered(self, question: Question, task: asyncio.Task[Judgement]) -> None:
        self._task = None
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

    def idled(self) -> None:
        """Nothing was asked for too long: an smtpd that has gone, or a peer that stalls."""
        if self._task is None:
            self._ended = True
            self._transport.close()


class _IdleClock:
    """Closes a connection that is silent too long; costs one assignment a request."""

    __slots__ = ("_connection", "_handle", "_last", "_loop", "_seconds")

    def __init__(self, connection: PolicyConnection, seconds: float) -> None:
        self._connection = connection
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self._handle = self._loop.call_later(seconds, self._look)

    def touch(self) -> None:
        self._last = self._loop.time()

    def stop(self) -> None:
        self._handle.cancel()

    def _look(self) -> None:
        silent = self._loop.time() - self._last
        if silent >= self._seconds:
            self._connection.idled()
        else:
            self._handle = self._loop.call_later(self._seconds - silent, self._look)
