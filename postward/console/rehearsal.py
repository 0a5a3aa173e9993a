"""The dialogue of a pretended mail through both doors, in Postfix's order, with the real rules.

For each command Postfix asks the policy service first and the milter after it; a refusal at one
ends what depends on it. What policyd found reaches the milter at the end, as with real mail.
"""

from contextlib import suppress
from dataclasses import dataclass, field

from postward import journal
from postward.address import Address
from postward.console.pretend import Envelope, at_rcpt, mails
from postward.decision import Accept, Defer, Discard, Edit, Hold, Quarantine, Reject
from postward.journal import Entry, Pseudonyms, RuleEntry
from postward.mail import Mail
from postward.rules.judge import Case
from postward.rules.judgement import Judgement
from postward.rules.ruleset import Ruleset
from postward.stage import Door, Stage
from postward.tools import Tools

_REFUSES = (Reject, Defer, Hold)


@dataclass(slots=True)
class Rehearsal:
    """What happened: each question in its order, the edits, and the final answer.

    `answer`: the word (`accept`, `reject`, `defer`, `hold`, `quarantine`, `discard`); `reply`: what
    the client is told with it.
    """

    steps: list[Entry] = field(default_factory=list)
    edits: tuple[Edit, ...] = ()
    answer: str = "accept"
    reply: str = ""
    score: float = 0.0

    def rules(self) -> dict[str, tuple[Entry, RuleEntry]]:
        """Each rule that was asked, as it was judged last, and where."""
        return {rule.rule: (step, rule) for step in self.steps for rule in step.rules}


class _Ended(Exception):
    """No further command comes: the client was refused, or the mail is thrown away."""


class _Dialogue:
    def __init__(
        self, rules: Ruleset, tools: Tools, envelope: Envelope, message: bytes, within: float
    ) -> None:
        self.rules = rules
        self.tools = tools
        self.envelope = envelope
        self.message = message
        self.within = within
        self.cases: dict[Door, Case] = {door: rules.open(door, tools) for door in rules.doors}
        self.result = Rehearsal()

    async def ask(self, door: Door, mail: Mail) -> Judgement | None:
        """The judgement at `door`; None where it is not there, not asked, or has let the mail pass."""
        case = self.cases.get(door)
        heard = case is not None and case.carried is not None
        if case is None or not (heard or self.rules.any_due(door, mail.stage)):
            return None
        judgement = await case.judge(mail, self.within)
        record = journal.record(self.tools.clock.wall(), door.value, mail, judgement)
        self.result.steps.append(journal.entry(record, Pseudonyms(None)))
        self.result.score = judgement.score
        if door is Door.MILTER and isinstance(judgement.decision, Accept):
            del self.cases[door]  # Postfix asks a milter that accepted no more about this message
        return judgement

    async def must_pass(self, door: Door, mail: Mail) -> Judgement | None:
        """Ask, and end the dialogue where the answer ends it."""
        judgement = await self.ask(door, mail)
        if judgement is None:
            return None
        if isinstance(judgement.decision, (*_REFUSES, Discard)):
            self.end(judgement)
        if isinstance(judgement.decision, Quarantine):
            self.result.answer = "quarantine"
        return judgement

    def end(self, judgement: Judgement) -> None:
        """The final answer is this one."""
        self.result.answer = journal.word(judgement.decision)
        self.result.reply = str(getattr(judgement.decision, "reply", ""))
        raise _Ended

    async def recipients(self, before: dict[Door, Mail]) -> tuple[Address, ...]:
        """RCPT for each recipient; those that are accepted. With none left the dialogue ends."""
        accepted: list[Address] = []
        refusal: Judgement | None = None
        for recipient in self.envelope.recipients:
            for door in (Door.POLICYD, Door.MILTER):
                judgement = await self.ask(door, at_rcpt(before[door], recipient))
                if judgement is not None and isinstance(judgement.decision, _REFUSES):
                    refusal = judgement
                    break
                if judgement is not None and isinstance(judgement.decision, Discard):
                    self.end(judgement)
                if judgement is not None and isinstance(judgement.decision, Quarantine):
                    self.result.answer = "quarantine"
            else:
                accepted.append(recipient)
        if not accepted and refusal is not None:
            self.end(refusal)
        return tuple(accepted)

    async def run(self) -> None:
        """From connect to the end of the message."""
        before = {door: mails(door, self.envelope, self.message, ()) for door in Door}
        for stage in (Stage.CONNECT, Stage.HELO, Stage.MAIL):
            await self.must_pass(Door.MILTER, before[Door.MILTER][stage])
        accepted = await self.recipients({door: before[door][Stage.MAIL] for door in Door})
        after = {door: mails(door, self.envelope, self.message, accepted) for door in Door}
        for door in (Door.POLICYD, Door.MILTER):
            await self.must_pass(door, after[door][Stage.DATA])
        if Door.MILTER in self.cases and Door.POLICYD in self.cases:
            self.cases[Door.MILTER].hear(self.cases[Door.POLICYD].carry())
        last = await self.must_pass(Door.MILTER, after[Door.MILTER][Stage.EOM])
        if last is not None:
            self.result.edits = last.edits


async def rehearse(
    rules: Ruleset, tools: Tools, envelope: Envelope, message: bytes, *, within: float
) -> Rehearsal:
    """Play the dialogue; each judgement takes at most `within` seconds."""
    dialogue = _Dialogue(rules, tools, envelope, message, within)
    with suppress(_Ended):
        await dialogue.run()
    return dialogue.result
