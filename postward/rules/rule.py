"""A compiled rule, and the plan of the rules that apply to one kind of mail at one door."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum

from postward.checks import Check
from postward.finding import Clear
from postward.mail import Mail
from postward.rules.conditions import Condition, Standing
from postward.rules.judgement import AT_ONCE, Judged
from postward.rules.outcomes import Outcome
from postward.rules.text import Template
from postward.rules.thresholds import Thresholds
from postward.stage import Door, Stage
from postward.tools import Tools

_MOST_DETAILS = 1_000


class Mode(Enum):
    """How much a rule may do."""

    OFF = "off"
    SHADOW = "shadow"
    CANARY = "canary"
    ENFORCE = "enforce"

    @property
    def bites(self) -> bool:
        """Whether it is enforced for some mail at least."""
        return self in (Mode.CANARY, Mode.ENFORCE)


class Phase(IntEnum):
    """Rules of one stage are asked in this order; each phase is asked all at the same time."""

    ACCEPT = 0
    MEMORY = 1
    LOOKUP = 2
    WEIGHED = 3
    """Rules with a condition on the score or on hits of the phases before, and checks of cost LATE."""
    DELAY = 4
    HOLD = 5
    STATE = 6


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """When a rule is asked at all. Equal gates are one object, opened or shut once a judgement."""

    when: tuple[Condition, ...]
    unless: tuple[Condition, ...]
    until: float | None

    def shut(self, mail: Mail, tools: Tools, standing: Standing) -> str:
        """Why the rule is not asked for this mail; empty when it is."""
        if self.until is not None and tools.clock.wall() >= self.until:
            return "until: has passed"
        for condition in self.when:
            if not condition.test(mail, tools, standing):
                return f"when: not {condition.word}"
        for condition in self.unless:
            if condition.test(mail, tools, standing):
                return f"unless: {condition.word}"
        return ""


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A check, when it is asked, and what follows."""

    name: str
    order: int
    """Its place among all rules: of equal outcomes the first wins."""
    check: Check
    look_key: int
    """The same for rules that ask the same check with the same options: it is asked once."""
    gate: Gate | None
    then: Outcome
    unsure: Outcome
    mode: Mode
    share: float
    """The canary's part of all mail, 0 to 1."""
    door: Door
    stage: Stage
    phase: Phase
    per_recipient: bool
    of_client: bool
    """Its look is about the client alone, whatever the message."""
    of_domain: bool
    """Its look is about the client and the sender's domain, whatever else the message is."""
    idle: bool
    """It asks a list that is empty: it cannot find anything, and is noted as clear without a look."""
    reason: Template | None
    remedy: Template | None
    rate: float
    """Points that a hit gives to the ratings of who is knocking."""
    remember: tuple[str, float] | None
    """The automatic list that a hit puts the client on, and for how many seconds."""
    clear: Judged
    """The record of a look that found nothing and took no time."""
    _not_asked: dict[str, Judged] = field(default_factory=dict)
    _nothing: dict[str, Judged] = field(default_factory=dict)

    def found_nothing(self, finding: Clear, took: float) -> Judged:
        """The record of a look that found nothing; one that took no time is made once for each detail."""
        if took >= AT_ONCE:
            return self.clear._replace(finding=finding, took=took)
        made = self._nothing.get(finding.detail)
        if made is None:
            if len(self._nothing) >= _MOST_DETAILS:
                self._nothing.clear()
            made = self._nothing[finding.detail] = self.clear._replace(finding=finding)
        return made

    def not_asked(self, why: str) -> Judged:
        """The record of the rule when it was not asked; there are few reasons, so each is made once."""
        made = self._not_asked.get(why)
        if made is None:
            made = self._not_asked[why] = self.clear._replace(finding=None, skipped=why)
        return made

    @property
    def weighs(self) -> bool:
        """Whether it has a condition on what was found before."""
        return self.gate is not None and any(each.by_score for each in (*self.gate.when, *self.gate.unless))

    def runs_as(self, mail: Mail) -> str:
        """`enforce`, `shadow`, `canary` or `canary-out` for this mail; steady for one client."""
        if self.mode is not Mode.CANARY:
            return self.clear.mode
        client = f"{self.name}|{mail.known.get('client_address')}".encode()
        return "canary" if zlib.crc32(client) < self.share * 2**32 else "canary-out"


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Rules of one phase that are asked together; `gates`: theirs, each once."""

    rules: tuple[Rule, ...]
    gates: tuple[Gate, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """The rules of one phase at one stage.

    What those `of_client` come to can be told again for the client's next message, and what those
    `of_domain` come to for its next message of the same sender domain: no gate of theirs looks at what
    was found before. `others` are the rest.
    """

    rules: tuple[Rule, ...]
    idle: tuple[Judged, ...]
    of_client: Part | None
    of_domain: Part | None
    others: tuple[Rule, ...]


def _laid(rules: tuple[Rule, ...]) -> Laid:
    idle = tuple(rule.clear for rule in rules if rule.idle)
    busy = [rule for rule in rules if not rule.idle]
    lasting = [rule for rule in busy if not rule.weighs and not rule.per_recipient]
    of_client = tuple(rule for rule in lasting if rule.of_client)
    of_domain = tuple(rule for rule in lasting if rule.of_domain)
    others = tuple(rule for rule in busy if rule not in of_client and rule not in of_domain)
    return Laid(rules, idle, _part(of_client), _part(of_domain), others)


def _part(rules: tuple[Rule, ...]) -> Part | None:
    gates = dict.fromkeys(rule.gate for rule in rules if rule.gate is not None)
    return Part(rules, tuple(gates)) if rules else None


@dataclass(frozen=True, slots=True)
class Plan:
    """The rules for one door and one set of overrides: for each stage its phases, in order."""

    phases: Mapping[Stage, tuple[Laid, ...]]
    thresholds: Thresholds
    enforced: bool
    """No rule runs in shadow or as a canary."""
    names: Mapping[Stage, frozenset[str]]
    """For each stage the rules that are judged there, without those that look at score or hits."""


def plan(rules: tuple[Rule, ...], door: Door, thresholds: Thresholds) -> Plan:
    """Lay the rules of `door` out: at each stage all that is due by then, recipients' rules at RCPT only."""
    here = [rule for rule in rules if rule.door is door and rule.mode is not Mode.OFF]
    phases: dict[Stage, tuple[Laid, ...]] = {}
    for stage in Stage:
        due = [rule for rule in here if (stage is rule.stage if rule.per_recipient else rule.stage <= stage)]
        laid = (tuple(rule for rule in due if rule.phase is phase) for phase in Phase)
        phases[stage] = tuple(_laid(rules) for rules in laid if rules)
    enforced = all(rule.mode is Mode.ENFORCE for rule in here)
    names = {
        stage: frozenset(rule.name for phase in laid for rule in phase.rules if not rule.weighs)
        for stage, laid in phases.items()
    }
    return Plan(phases, thresholds, enforced, names)
