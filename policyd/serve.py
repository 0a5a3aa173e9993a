"""The policy service on asyncio: one process, many connections that stay open (`policyd.connection`).

It takes them in, puts their requests to the rules, and closes those that dawdle.
"""

import asyncio
import logging
from dataclasses import dataclass

from policyd.answer import action_of
from policyd.connection import PolicyConnection, Question
from policyd.intake import mail_of, stage_of
from policyd.session import Messages
from policyd.wire import DUNNO, answer, parse
from postward.carried import seal
from postward.decision import CONTINUE, Accept, Continue, Decision, Quarantine
from postward.house import House
from postward.rules.judgement import Judgement
from postward.stage import Door, Stage

_log = logging.getLogger("postward.policyd")
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

    def protocol(self) -> PolicyConnection:
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

    def admit(self, connection: PolicyConnection) -> bool:
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

    def ask(self, request: bytes, peer: PolicyConnection | None = None) -> bytes | Question:
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
            judgement = Judgement(case.trace, stage, CONTINUE, "", case.score, ())
            house.record("policyd", mail, judgement)
            house.learn(mail, judgement, case.tools)  # the mail has come in
        return self._go_on(question, CONTINUE)

    def answer(self, question: Question, judgement: Judgement) -> bytes:
        """The answer that the rules gave, recorded and learned from."""
        case, mail, _ = question
        self.house.record("policyd", mail, judgement)
        self.house.learn(mail, judgement, case.tools)
        return self._go_on(question, judgement.decision)

    def _go_on(self, question: Question, decision: Decision) -> bytes:
        """The answer; to mail that goes on to the milter, with what was found."""
        case, mail, carries = question
        findings = ""
        if carries and mail.queue_id and isinstance(decision, Continue | Accept | Quarantine):
            findings = seal(self.house.findings_key, mail.queue_id, case.carry())
        return answer(action_of(decision, findings))
