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
from postward.finding import Finding, Hit, Unsure
from postward.mail import Mail
from postward.rules import consequence
from postward.rules.consequence import Ruling, Tally
from postward.rules.hold import ask_ticket
from postward.rules.judgement import Judged, Judgement
from postward.rules.outcomes import WATCH, Outcome, Weight
from postward.rules.rule import Phase, Rule
from postward.stage import Door, Stage
from postward.tools import Tools
from postward.trace import new_trace

if TYPE_CHECKING:
    from postward.rules.ruleset import Ruleset

_log = logging.getLogger("postward.judge")
_NOTHING = Outcome("")
_MAX_RECIPIENTS = 1_000  # Postfix's smtpd_recipient_limit; further ones are judged but not remembered
_Found = tuple[Finding, float]


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
            left = within - (clock.monotonic() - began)
            await self._phase(phase, mail, recipient, tally, judged, left)
            tally.weigh()
        decision = consequence.decide(tally, mail, self.trace, self._carried_rules())
        if recipient is not None:
            recipient.remember(tally)
        edits = consequence.tags(tally, mail) if mail.stage is Stage.EOM else ()
        would = self._would(tally, judged, mail, decision)
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

    async def _phase(
        self,
        phase: tuple[Rule, ...],
        mail: Mail,
        recipient: "_Recipient | None",
        tally: Tally,
        judged: list[Judged],
        left: float,
    ) -> None:
        """Ask the rules of one phase and count in what follows."""
        decided = self._needless(phase[0], tally)
        if decided:
            judged.extend(_not_asked(rule, mail, decided) for rule in phase)
            return
        asked: list[tuple[Rule, _Found | asyncio.Task[_Found]]] = []
        for rule in phase:
            why = rule.skipped(mail, self.tools, tally) if rule.conditional else ""
            if why:
                judged.append(_not_asked(rule, mail, why))
            else:
                asked.append((rule, self._look(rule, mail, recipient)))
        waiting = {each for _, each in asked if isinstance(each, asyncio.Task)}
        if waiting:
            await _wait(waiting, left)
        for rule, each in asked:
            found = _result(each, left) if isinstance(each, asyncio.Task) else each
            if isinstance(each, asyncio.Task):
                self._memory(rule, recipient)[rule.look_key] = found
            ruling = _rule(rule, found, mail)
            if ruling.outcome.word == "hold":
                ruling = await self._hold(ruling, mail, tally)
            judged.append(ruling.judged)
            tally.add(ruling)

    def _needless(self, first: Rule, tally: Tally) -> str:
        """Why the phase that begins with `first` need not be asked any more; empty if it must be.

        A final word ends all; a deferral spares only state, so that nothing is charged for mail that
        does not come in, while a look-up may still find a reason to refuse for good.
        """
        spared = Weight.DEFER if first.phase >= Phase.STATE else Weight.DISCARD
        return f"decided: {tally.by}" if tally.weight >= spared else ""

    def _memory(self, rule: Rule, recipient: "_Recipient | None") -> dict[int, _Found]:
        return recipient.found if rule.per_recipient and recipient is not None else self._found

    def _look(
        self, rule: Rule, mail: Mail, recipient: "_Recipient | None"
    ) -> "_Found | asyncio.Task[_Found]":
        """What the rule's check found already or finds at once, or the task that is at it."""
        memory = self._memory(rule, recipient)
        held = memory.get(rule.look_key)
        if held is not None:
            return held
        started = eager.start(_timed(rule, mail, self.tools))
        if isinstance(started, asyncio.Task):
            return started
        memory[rule.look_key] = started.value
        return started.value

    async def _hold(self, ruling: Ruling, mail: Mail, tally: Tally) -> Ruling:
        """Ask the ticket of the sender's domain what follows from a rule that says `hold`."""
        hits = [each.rule.name for each in tally.rulings if isinstance(each.judged.finding, Hit)]
        evidence = ", ".join([*hits, ruling.rule.name])
        word, note, tally.ticket = await ask_ticket(mail, self.tools, evidence, self._ruleset.hold_for)
        outcome = ruling.outcome if word == "hold" else Outcome(word or "watch")
        return Ruling(ruling.rule, ruling.judged._replace(outcome=outcome.word, skipped=note), outcome)

    def _carried_rules(self) -> tuple[str, ...]:
        return tuple(rule for rule, _ in self.carried.hits) if self.carried is not None else ()

    def _would(self, tally: Tally, judged: list[Judged], mail: Mail, decision: Decision) -> Decision | None:
        """The decision if every rule were enforced, `None` when that changes nothing."""
        if all(each.enforced or not each.outcome for each in judged):
            return None
        other = Tally(self._score_before(mail), tally.thresholds)
        for ruling in tally.rulings:
            outcome = _outcome(ruling.rule, ruling.judged.finding)
            other.add(Ruling(ruling.rule, ruling.judged, outcome))
        other.weigh()
        would = consequence.decide(other, mail, self.trace, self._carried_rules())
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


async def _timed(rule: Rule, mail: Mail, tools: Tools) -> _Found:
    """Ask the check; a check that fails is our own trouble and could not tell."""
    began = tools.clock.monotonic()
    finding: Finding
    try:
        finding = await rule.check.look(mail, tools)
    except Exception as error:  # noqa: BLE001  # one broken check must not take the others down
        _log.exception("rule %s: check %s failed", rule.name, rule.check.name)
        finding = Unsure(f"the check failed: {type(error).__name__}")
    return finding, tools.clock.monotonic() - began


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


def _outcome(rule: Rule, finding: Finding | None) -> Outcome:
    if isinstance(finding, Hit):
        return rule.then
    return rule.unsure if isinstance(finding, Unsure) else _NOTHING


def _rule(rule: Rule, found: _Found, mail: Mail) -> Ruling:
    """What follows from a finding: nothing but a note for rules that are not enforced."""
    finding, took = found
    outcome = _outcome(rule, finding)
    mode = rule.runs_as(mail)
    judged = Judged(rule.name, rule.check.name, finding, outcome.word, outcome.score, mode, took)
    return Ruling(rule, judged, outcome if judged.enforced else WATCH)


def _not_asked(rule: Rule, mail: Mail, why: str) -> Judged:
    return Judged(rule.name, rule.check.name, None, "", 0.0, rule.runs_as(mail), 0.0, why)
