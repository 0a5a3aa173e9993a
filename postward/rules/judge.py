"""Judging: facts -> findings -> decision, for one message at one door.

A `Case` lives as long as its message. What was found about the message is kept, so that fifty
recipients, or Postfix asking twice, cost one look and are charged once; what follows is weighed
anew for each recipient, because overrides may differ.

All looks of a phase run at the same time. One that is not done in time, or fails, is `Unsure`.
"""

import asyncio
from math import isfinite
from typing import TYPE_CHECKING

from postward import eager
from postward.carried import Carried, CarriedSpf
from postward.checks import Cost
from postward.decision import Accept, Decision, Quarantine
from postward.finding import CLEAR, Clear, Finding, Hit, Unsure
from postward.mail import Mail
from postward.rules import consequence, looks
from postward.rules.clients import Client, Replay, Replays, SenderDomain
from postward.rules.consequence import Ruling, Tally
from postward.rules.grammar import MAX_SCORE
from postward.rules.hold import ask_ticket
from postward.rules.judgement import Judged, Judgement
from postward.rules.looks import Found
from postward.rules.outcomes import WATCH, Outcome, Weight
from postward.rules.recipients import Recipient, Recipients
from postward.rules.rule import Gate, Laid, Part, Phase, Plan, Rule
from postward.stage import Door, Stage
from postward.tools import ASKER, Tools
from postward.trace import new_trace

if TYPE_CHECKING:
    from postward.rules.ruleset import Ruleset

_FOR_STORE = 2.0  # seconds; the store answers within them, or says that it is down
_NOTHING: frozenset[str] = frozenset()
_MAX_REPLAYS = 16  # of one client: gates stand open for who has logged in, and shut for others


class Case:
    """One message before the rules at one door."""

    __slots__ = (
        "_at_data",
        "_client",
        "_domain",
        "_door",
        "_found",
        "_judged_at",
        "_quarantined_by",
        "_recipients",
        "_ruleset",
        "carried",
        "tools",
        "trace",
    )

    def __init__(self, ruleset: "Ruleset", door: Door, tools: Tools) -> None:
        self.trace = new_trace(tools.clock.wall())
        self.tools = tools
        self.carried: Carried | None = None
        self._ruleset = ruleset
        self._door = door
        self._found: dict[int, Found] = {}
        self._client: Client | None = None
        self._domain: SenderDomain | None = None
        self._recipients = Recipients()
        self._at_data: Tally | None = None
        self._quarantined_by = ""
        self._judged_at: Stage | None = None

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
        self.tools.asker.client = mail.known.get("client_address")
        ASKER.set(self.tools.asker)
        if self._client is None and "helo_name" in mail.known:
            self._client = self._ruleset.clients.meet(mail, began)
            self.tools.client = self._client.memo
        if self._domain is None and self._client is not None and "sender" in mail.known:
            self._domain = self._client.domain(mail.sender)
            if self._domain is not None:
                self.tools.domain = self._domain.memo
        plan = self._ruleset.plan_for(self._door, mail, self._recipients.accepted)
        recipient = self._recipients.meet(mail)
        tally = Tally(self._score_before(mail), plan.thresholds)
        if tally.score:
            tally.weigh()
        judged: list[Judged] = []
        for phase in plan.phases[mail.stage]:
            if tally.weight and (decided := _needless(phase.rules[0], tally)):
                judged.extend(rule.not_asked(decided) for rule in phase.rules)
                continue
            told: list[tuple[Rule, Found]] = []
            waiting: list[tuple[Rule, asyncio.Task[Found]]] = []
            self._ask_phase(phase, mail, recipient, tally, judged, told, waiting)
            if waiting:
                left = max(within - _kept_back(waiting, within) - (clock.monotonic() - began), 0.0)
                await looks.wait({task for _, task in waiting}, left)
                told.extend((rule, self._kept(rule, task, recipient, left)) for rule, task in waiting)
            if told:
                told.sort(key=_order)
                await self._count(told, mail, tally, judged, began + within)
                tally.weigh()
        if self._client is not None:
            self._ruleset.clients.keep(mail, self._client)
            if self._domain is not None and (self._domain.doubtful or self.tools.personal):
                self._client.forget(mail.sender)
        decision = consequence.decide(tally, mail, self.trace, self.carried)
        if recipient is not None and tally.rulings:
            recipient.remember(tally, decision)
        if decision.__class__ is Quarantine:
            self._quarantined_by = tally.by
        if mail.stage is Stage.DATA:
            self._at_data = tally
        edits = consequence.tags(tally, mail) if mail.stage is Stage.EOM else ()
        would = None if plan.enforced else self._would(tally, mail, decision)
        took = clock.monotonic() - began
        return Judgement(
            self.trace, mail.stage, decision, tally.by, tally.score, tuple(judged), edits, would, took,
            self._told_before(mail.stage, plan),
        )  # fmt: skip

    def _told_before(self, stage: Stage, plan: Plan) -> frozenset[str]:
        """The rules that policyd, which records every stage, has told of at an earlier one."""
        before = self._judged_at
        self._judged_at = stage
        if before is None or before >= stage or self._door is not Door.POLICYD:
            return _NOTHING
        return plan.names[before]

    def settled(self, stage: Stage) -> bool:
        """Whether all that is due at `stage` was judged at RCPT already: nothing can be new then."""
        return stage > Stage.RCPT and self._recipients.any and not self._ruleset.judges_late(self._door)

    def carry(self) -> Carried:
        """What the other door is to know of this message.

        The score and the hits are the message's own plus those of its worst recipient, because one
        answer at the end of the message serves all of them. A recipient that was refused has no part
        in it.
        """
        found = self.tools.made("spf")
        spf = CarriedSpf(found.result, found.identity, found.value, found.problem) if found else None
        kept = self._recipients.kept()
        worst = max(kept, key=lambda each: each.score, default=None)
        accepted = {each.accepted_by for each in kept}
        accepted_by = accepted.pop() if len(accepted) == 1 else ""
        hits = worst.hits if worst is not None else ()
        if self._at_data is not None:
            late = [each for each in self._at_data.rulings if worst is None or each.rule.stage > Stage.RCPT]
            hits += tuple((each.rule.name, each.outcome.score) for each in late if each.outcome.score)
            accepted_by = accepted_by or next((each.rule.name for each in late if each.accepts), "")
        score = sum(score for _, score in hits)
        return Carried(self.trace, round(score, 3), accepted_by, hits, spf, self._quarantined_by)

    @property
    def tag_fields(self) -> frozenset[str]:
        """The header fields that the rules write tags into: whoever sends them forges them."""
        return self._ruleset.tag_fields

    @property
    def score(self) -> float:
        """The score of the recipient that scored worst and was not refused."""
        return max((each.score for each in self._recipients.kept()), default=0.0)

    def _score_before(self, mail: Mail) -> float:
        """What counts already: policyd's score at the milter; after RCPT the worst recipient's own."""
        before = self.carried.score if self.carried is not None else 0.0
        if mail.stage > Stage.RCPT:
            before += max((each.own_score for each in self._recipients.kept()), default=0.0)
        return before

    def _ask_phase(
        self,
        phase: Laid,
        mail: Mail,
        recipient: Recipient | None,
        tally: Tally,
        judged: list[Judged],
        told: list[tuple[Rule, Found]],
        waiting: list[tuple[Rule, asyncio.Task[Found]]],
    ) -> None:
        """Begin every look of a phase, but for those that were asked about the same just now."""
        judged += phase.idle
        client = self._client
        if client is None:
            busy = (phase.of_client, phase.of_domain)
            for part in filter(None, busy):
                self._ask(part.rules, mail, recipient, tally, judged, told, waiting)
            self._ask(phase.others, mail, recipient, tally, judged, told, waiting)
            return
        if phase.of_client is not None:
            self._ask_again(phase.of_client, client.replays, mail, tally, judged, told, waiting)
        if phase.of_domain is not None:
            if self._domain is None:
                self._ask(phase.of_domain.rules, mail, None, tally, judged, told, waiting)
            else:
                self._ask_again(phase.of_domain, self._domain.replays, mail, tally, judged, told, waiting)
        if phase.others:
            self._ask(phase.others, mail, recipient, tally, judged, told, waiting)

    def _ask_again(
        self,
        part: Part,
        replays: Replays,
        mail: Mail,
        tally: Tally,
        judged: list[Judged],
        told: list[tuple[Rule, Found]],
        waiting: list[tuple[Rule, asyncio.Task[Found]]],
    ) -> None:
        """Ask the rules of a part, or tell again what they came to."""
        tools = self.tools
        key = (part, *[gate.shut(mail, tools, tally) for gate in part.gates])
        replay = replays.get(key)
        if replay is None:
            replay, before = Replay([], []), len(waiting)
            self._ask(part.rules, mail, None, tally, replay.judged, replay.told, waiting)
            sure = all(found[0].__class__ is not Unsure for _, found in replay.told)
            if len(waiting) == before and sure and len(replays) < _MAX_REPLAYS:
                replays[key] = replay
        judged += replay.judged
        told += replay.told

    def _ask(
        self,
        rules: tuple[Rule, ...],
        mail: Mail,
        recipient: Recipient | None,
        tally: Tally,
        judged: list[Judged],
        told: list[tuple[Rule, Found]],
        waiting: list[tuple[Rule, asyncio.Task[Found]]],
    ) -> None:
        """Begin every look: those that told something at once, and those that must wait.

        Looks that found nothing are only noted in `judged`; that is nearly all of them.
        """
        under_way: dict[int, asyncio.Task[Found]] = {}
        shut: dict[Gate, str] = {}
        tools = self.tools
        for rule in rules:
            gate = rule.gate
            if gate is not None:
                why = shut.get(gate)
                if why is None:
                    why = shut[gate] = gate.shut(mail, tools, tally)
                if why:
                    judged.append(rule.not_asked(why))
                    continue
            memory = self._memory(rule, recipient)
            key = rule.look_key
            found = memory.get(key)
            if found is None and memory is not self._found:
                found = self._found.get(key)  # found before the HELO said which client it is
            if found is None:
                task = under_way.get(key) or looks.ask(rule, mail, tools)
                if isinstance(task, asyncio.Task):
                    under_way[key] = task
                    waiting.append((rule, task))
                    continue
                found = self._keep(rule, task, memory)
            finding = found[0]
            if finding is CLEAR:
                judged.append(rule.clear)
            elif finding.__class__ is Clear:
                judged.append(rule.found_nothing(finding, found[1]))
            else:
                told.append((rule, found))

    def _kept(self, rule: Rule, task: asyncio.Task[Found], recipient: Recipient | None, left: float) -> Found:
        """What a look gave that had to be waited for, kept for the next request."""
        return self._keep(rule, looks.result(task, left), self._memory(rule, recipient))

    def _memory(self, rule: Rule, recipient: Recipient | None) -> dict[int, Found]:
        """Where what the rule's look finds is kept: with the client, the recipient or the message."""
        if rule.of_client and self._client is not None:
            return self._client.found
        return recipient.found if rule.per_recipient and recipient is not None else self._found

    def _keep(self, rule: Rule, found: Found, memory: dict[int, Found]) -> Found:
        """Keep what was found; what could not be told, for this message alone."""
        if rule.of_client and self._client is not None and found[0].__class__ is Unsure:
            self._client.doubtful = True
            memory = self._found
        elif rule.of_domain and self._domain is not None and found[0].__class__ is Unsure:
            self._domain.doubtful = True
        memory[rule.look_key] = found
        return found

    async def _count(
        self,
        told: list[tuple[Rule, Found]],
        mail: Mail,
        tally: Tally,
        judged: list[Judged],
        ends: float,
    ) -> None:
        """Count in what follows from each finding, in the rules' order."""
        for rule, (finding, took) in told:
            mode = rule.runs_as(mail)
            outcome = _outcome(rule, finding)
            if outcome is None:  # a look that had to be waited for and found nothing
                judged.append(rule.clear._replace(finding=finding, mode=mode, took=took))
                continue
            each = Judged(rule.name, rule.check.name, finding, outcome.word, outcome.score, mode, took)
            if (rule.rate or rule.remember) and each.enforced and isinstance(finding, Hit):
                each = each._replace(rate=rule.rate, remember=rule.remember)
            ruling = Ruling(rule, each, outcome if each.enforced else WATCH)
            if ruling.outcome.word == "hold":
                ruling = await self._hold(ruling, mail, tally, ends)
            judged.append(ruling.judged)
            tally.add(ruling)

    async def _hold(self, ruling: Ruling, mail: Mail, tally: Tally, ends: float) -> Ruling:
        """Ask the ticket of the sender's domain what follows from a rule that says `hold`.

        A store that does not answer by `ends` (monotonic) does not hold mail up.
        """
        hits = [each.rule.name for each in tally.rulings if isinstance(each.judged.finding, Hit)]
        evidence = ", ".join([*hits, ruling.rule.name])
        asked = eager.start(ask_ticket(mail, self.tools, evidence, self._ruleset.holds))
        if isinstance(asked, eager.Ready):
            word, note, ticket = asked.value
        else:
            left = max(ends - self.tools.clock.monotonic(), 0.0)
            await looks.wait({asked}, left)
            in_time = asked.done() and not asked.cancelled()
            word, note, ticket = asked.result() if in_time else ("", f"no answer within {left:.1f} s", None)
        tally.ticket = ticket or tally.ticket
        outcome = ruling.outcome if word == "hold" else Outcome(word or "watch")
        return Ruling(ruling.rule, ruling.judged._replace(outcome=outcome.word, skipped=note), outcome)

    def _would(self, tally: Tally, mail: Mail, decision: Decision) -> Decision | None:
        """The decision if every rule were enforced, `None` when that changes nothing."""
        if all(ruling.judged.enforced for ruling in tally.rulings):
            return None
        other = Tally(self._score_before(mail), tally.thresholds)
        other.ticket = tally.ticket
        for ruling in tally.rulings:
            enforced = ruling.judged.enforced
            outcome = ruling.outcome if enforced else _outcome(ruling.rule, ruling.judged.finding)
            other.add(ruling._replace(outcome=outcome or WATCH))
        other.weigh()
        would = consequence.decide(other, mail, self.trace, self.carried)
        return None if would == decision else would


def _order(told: tuple[Rule, Found]) -> int:
    return told[0].order


def _kept_back(waiting: list[tuple[Rule, asyncio.Task[Found]]], within: float) -> float:
    """Seconds of `within` that look-ups leave to the store.

    Else a sender with a slow DNS of its own could use up all the time, and would be neither held nor
    counted because the store had none left.
    """
    state = any(rule.check.cost in (Cost.STATE, Cost.DELAY) for rule, _ in waiting)
    return 0.0 if state else min(_FOR_STORE, within / 4)


def _needless(first: Rule, tally: Tally) -> str:
    """Why the phase that begins with `first` need not be asked any more; empty if it must be.

    A final word ends all; a deferral spares only state, so that nothing is charged for mail that
    does not come in, while a look-up may still find a reason to refuse for good. Who is greylisted
    has yet to show that it tries again: only then is a person asked about its domain.
    """
    if first.phase is Phase.HOLD:
        delayed = isinstance(tally.best, Ruling) and tally.best.rule.phase is Phase.DELAY
        needless = delayed or tally.weight >= Weight.DISCARD
    else:
        needless = tally.weight >= (Weight.DEFER if first.phase >= Phase.DELAY else Weight.DISCARD)
    return f"decided: {tally.by}" if needless else ""


def _bounded(score: float) -> float:
    """A finding's own score, as a rule may give one."""
    return min(max(score, -MAX_SCORE), MAX_SCORE) if isfinite(score) else 0.0


def _outcome(rule: Rule, finding: Finding | None) -> Outcome | None:
    """What follows from a finding if the rule is enforced; None: nothing."""
    if isinstance(finding, Hit):
        return Outcome("score", score=_bounded(finding.score)) if rule.then.own else rule.then
    return rule.unsure if isinstance(finding, Unsure) else None
