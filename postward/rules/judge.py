"""Judging: facts -> findings -> decision, for one message at one door.

A `Case` lives as long as its message. What was found about the message is kept, so that fifty
recipients, or Postfix asking twice, cost one look and are charged once; what follows is weighed
anew for each recipient, because overrides may differ.

All looks of a phase run at the same time. One that is not done in time, or fails, is `Unsure`.
"""

import asyncio
import logging
from typing import TYPE_CHECKING

from postward import eager
from postward.carried import Carried, CarriedSpf
from postward.decision import Accept, Decision
from postward.finding import CLEAR, Clear, Finding, Hit, Unsure
from postward.mail import Mail
from postward.rules import consequence
from postward.rules.consequence import Ruling, Tally
from postward.rules.hold import ask_ticket
from postward.rules.judgement import Judged, Judgement
from postward.rules.outcomes import WATCH, Outcome, Weight
from postward.rules.rule import Gate, Phase, Rule
from postward.stage import Door, Stage
from postward.tools import Tools
from postward.trace import new_trace

if TYPE_CHECKING:
    from postward.rules.ruleset import Ruleset

_log = logging.getLogger("postward.judge")
_MAX_RECIPIENTS = 1_000  # Postfix's smtpd_recipient_limit; further ones are judged but not remembered
_Found = tuple[Finding, float]
_NOTHING_FOUND: _Found = (CLEAR, 0.0)


class Case:
    """One message before the rules at one door."""

    __slots__ = ("_door", "_found", "_recipients", "_ruleset", "carried", "tools", "trace")

    def __init__(self, ruleset: "Ruleset", door: Door, tools: Tools) -> None:
        self.trace = new_trace(tools.clock.wall())
        self.tools = tools
        self.carried: Carried | None = None
        self._ruleset = ruleset
        self._door = door
        self._found: dict[int, _Found] = {}
        self._recipients: dict[str, _Recipient] = {}

    def hear(self, carried: Carried) -> None:
        """Take over what policyd found on this message: its trace, score and acceptance."""
        self.carried = carried
        self.trace = carried.trace

    async def judge(self, mail: Mail, within: float) -> Judgement:
        """Judge all that is due at `mail.stage`, in at most about `within` seconds."""
        clock = self.tools.clock
        began = clock.monotonic()
        if self.carried is not None and self.carried.accepted_by:
            by = self.carried.accepted_by
            return Judgement(self.trace, mail.stage, Accept(by), by, self.carried.score, ())
        plan = self._ruleset.plan_for(self._door, mail)
        recipient = self._recipient(mail)
        tally = Tally(self._score_before(mail), plan.thresholds)
        judged: list[Judged] = []
        for phase in plan.phases[mail.stage]:
            if tally.weight and (decided := _needless(phase[0], tally)):
                judged.extend(_not_asked(rule, mail, decided) for rule in phase)
                continue
            told, waiting = self._ask(phase, mail, recipient, tally, judged)
            if waiting:
                left = max(within - (clock.monotonic() - began), 0.0)
                await _wait({task for _, task in waiting}, left)
                told.extend((rule, self._kept(rule, task, recipient, left)) for rule, task in waiting)
                told.sort(key=lambda each: each[0].order)
            if told:
                await self._count(told, mail, tally, judged)
                tally.weigh()
        decision = consequence.decide(tally, mail, self.trace, self.carried)
        if recipient is not None and tally.rulings:
            recipient.remember(tally)
        edits = consequence.tags(tally, mail) if mail.stage is Stage.EOM else ()
        would = None if plan.enforced else self._would(tally, mail, decision)
        took = clock.monotonic() - began
        return Judgement(
            self.trace, mail.stage, decision, tally.by, tally.score, tuple(judged), edits, would, took
        )

    def carry(self) -> Carried:
        """What the other door is to know of this message.

        The score and the hits are the message's own plus those of its worst recipient, because one
        answer at the end of the message serves all of them.
        """
        worst = max(self._recipients.values(), key=lambda each: each.score, default=None)
        found = self.tools.made("spf")
        spf = CarriedSpf(found.result, found.identity, found.value, found.problem) if found else None
        if worst is None:
            return Carried(self.trace, spf=spf)
        accepted = {each.accepted_by for each in self._recipients.values()}
        accepted_by = accepted.pop() if len(accepted) == 1 else ""
        return Carried(self.trace, round(worst.score, 3), accepted_by, worst.hits, spf)

    def _recipient(self, mail: Mail) -> "_Recipient | None":
        """What is remembered of the recipient that is asked about."""
        if mail.stage is not Stage.RCPT:
            return None
        key = mail.recipient.text
        held = self._recipients.get(key)
        if held is None:
            held = _Recipient()
            if len(self._recipients) < _MAX_RECIPIENTS:
                self._recipients[key] = held
        return held

    def _score_before(self, mail: Mail) -> float:
        """What counts already: policyd's score at the milter; after RCPT the worst recipient's own."""
        if self.carried is not None:
            return self.carried.score
        if mail.stage > Stage.RCPT:
            return max((each.own_score for each in self._recipients.values()), default=0.0)
        return 0.0

    def _ask(
        self,
        phase: tuple[Rule, ...],
        mail: Mail,
        recipient: "_Recipient | None",
        tally: Tally,
        judged: list[Judged],
    ) -> tuple[list[tuple[Rule, _Found]], list[tuple[Rule, asyncio.Task[_Found]]]]:
        """Begin every look of a phase: those that told something at once, and those that must wait.

        Looks that found nothing are only noted in `judged`; that is nearly all of them.
        """
        told: list[tuple[Rule, _Found]] = []
        waiting: list[tuple[Rule, asyncio.Task[_Found]]] = []
        under_way: dict[int, asyncio.Task[_Found]] = {}
        shut: dict[Gate, str] = {}
        tools = self.tools
        for rule in phase:
            gate = rule.gate
            if gate is not None:
                why = shut.get(gate)
                if why is None:
                    why = shut[gate] = gate.shut(mail, tools, tally)
                if why:
                    judged.append(_not_asked(rule, mail, why))
                    continue
            memory = recipient.found if rule.per_recipient and recipient is not None else self._found
            key = rule.look_key
            found = memory.get(key)
            if found is None:
                task = under_way.get(key) or _look(rule, mail, tools)
                if isinstance(task, asyncio.Task):
                    under_way[key] = task
                    waiting.append((rule, task))
                    continue
                found = memory[key] = task
            finding = found[0]
            if finding is CLEAR:
                judged.append(rule.clear)
            elif finding.__class__ is Clear:
                judged.append(Judged(rule.name, rule.check.name, finding, "", 0.0, rule.clear.mode, found[1]))
            else:
                told.append((rule, found))
        return told, waiting

    def _kept(
        self, rule: Rule, task: asyncio.Task[_Found], recipient: "_Recipient | None", left: float
    ) -> _Found:
        """What a look gave that had to be waited for, kept for the next request."""
        found = _result(task, left)
        memory = recipient.found if rule.per_recipient and recipient is not None else self._found
        memory[rule.look_key] = found
        return found

    async def _count(
        self, told: list[tuple[Rule, _Found]], mail: Mail, tally: Tally, judged: list[Judged]
    ) -> None:
        """Count in what follows from each finding, in the rules' order."""
        for rule, (finding, took) in told:
            mode = rule.runs_as(mail)
            outcome = _outcome(rule, finding)
            if outcome is None:  # a look that had to be waited for and found nothing
                judged.append(rule.clear._replace(finding=finding, mode=mode, took=took))
                continue
            each = Judged(rule.name, rule.check.name, finding, outcome.word, outcome.score, mode, took)
            ruling = Ruling(rule, each, outcome if each.enforced else WATCH)
            if ruling.outcome.word == "hold":
                ruling = await self._hold(ruling, mail, tally)
            judged.append(ruling.judged)
            tally.add(ruling)

    async def _hold(self, ruling: Ruling, mail: Mail, tally: Tally) -> Ruling:
        """Ask the ticket of the sender's domain what follows from a rule that says `hold`."""
        hits = [each.rule.name for each in tally.rulings if isinstance(each.judged.finding, Hit)]
        evidence = ", ".join([*hits, ruling.rule.name])
        word, note, tally.ticket = await ask_ticket(mail, self.tools, evidence, self._ruleset.hold_for)
        outcome = ruling.outcome if word == "hold" else Outcome(word or "watch")
        return Ruling(ruling.rule, ruling.judged._replace(outcome=outcome.word, skipped=note), outcome)

    def _would(self, tally: Tally, mail: Mail, decision: Decision) -> Decision | None:
        """The decision if every rule were enforced, `None` when that changes nothing."""
        if all(ruling.judged.enforced for ruling in tally.rulings):
            return None
        other = Tally(self._score_before(mail), tally.thresholds)
        for ruling in tally.rulings:
            outcome = _outcome(ruling.rule, ruling.judged.finding) or WATCH
            other.add(Ruling(ruling.rule, ruling.judged, outcome))
        other.weigh()
        would = consequence.decide(other, mail, self.trace, self.carried)
        return None if would == decision else would


class _Recipient:
    """What is remembered of one recipient: looks that were about it, and what they led to."""

    __slots__ = ("accepted_by", "found", "hits", "own_score", "score")

    def __init__(self) -> None:
        self.found: dict[int, _Found] = {}
        self.score = 0.0
        self.own_score = 0.0
        self.hits: tuple[tuple[str, float], ...] = ()
        self.accepted_by = ""

    def remember(self, tally: Tally) -> None:
        scored = [ruling for ruling in tally.rulings if ruling.outcome.score]
        self.score = tally.score
        self.own_score = sum(each.outcome.score for each in scored if each.rule.per_recipient)
        self.hits = tuple((each.rule.name, each.outcome.score) for each in scored)
        self.accepted_by = tally.by if tally.weight is Weight.ACCEPT else ""


def _needless(first: Rule, tally: Tally) -> str:
    """Why the phase that begins with `first` need not be asked any more; empty if it must be.

    A final word ends all; a deferral spares only state, so that nothing is charged for mail that
    does not come in, while a look-up may still find a reason to refuse for good.
    """
    spared = Weight.DEFER if first.phase >= Phase.STATE else Weight.DISCARD
    return f"decided: {tally.by}" if tally.weight >= spared else ""


def _look(rule: Rule, mail: Mail, tools: Tools) -> "_Found | asyncio.Task[_Found]":
    """Ask the check: what it found at once, or the task of one that waits."""
    monotonic = tools.clock.monotonic
    try:
        looked = rule.check.look(mail, tools)
        if looked is CLEAR:
            return _NOTHING_FOUND
        if isinstance(looked, Clear | Hit | Unsure):
            return looked, 0.0
        began = monotonic()
        started = eager.start(looked)
    except Exception as error:  # noqa: BLE001  # one broken check must not take the others down
        return _failed(rule, error), 0.0
    if isinstance(started, asyncio.Task):
        return asyncio.get_running_loop().create_task(_timed(rule, started, tools, began))
    return _NOTHING_FOUND if started.value is CLEAR else (started.value, monotonic() - began)


async def _timed(rule: Rule, look: asyncio.Task[Finding], tools: Tools, began: float) -> _Found:
    try:
        finding = await look
    except Exception as error:  # noqa: BLE001  # as above
        finding = _failed(rule, error)
    return finding, tools.clock.monotonic() - began


def _failed(rule: Rule, error: Exception) -> Finding:
    """A check that fails is our own trouble: it could not tell."""
    _log.error("rule %s: check %s failed", rule.name, rule.check.name, exc_info=error)
    return Unsure(f"the check failed: {type(error).__name__}")


async def _wait(waiting: set[asyncio.Task[_Found]], left: float) -> None:
    """Wait for the looks, at most `left` seconds; those that are late are given up."""
    try:
        _, late = await asyncio.wait(waiting, timeout=max(left, 0.0))
    except asyncio.CancelledError:
        for task in waiting:
            task.cancel()
        raise
    for task in late:
        task.cancel()


def _result(task: asyncio.Task[_Found], left: float) -> _Found:
    """What a look gave, `Unsure` for one that was given up."""
    if task.done() and not task.cancelled():
        return task.result()
    return Unsure(f"no answer within {max(left, 0.0):.1f} s"), max(left, 0.0)


def _outcome(rule: Rule, finding: Finding | None) -> Outcome | None:
    """What follows from a finding if the rule is enforced; None: nothing."""
    if isinstance(finding, Hit):
        return rule.then
    return rule.unsure if isinstance(finding, Unsure) else None


def _not_asked(rule: Rule, mail: Mail, why: str) -> Judged:
    return rule.clear._replace(finding=None, mode=rule.runs_as(mail), skipped=why)
