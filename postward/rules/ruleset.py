"""All rules of a site, compiled: what the doors judge by. Immutable; a reload makes another one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from postward.address import Address
from postward.lists import CompiledList
from postward.mail import Mail
from postward.rules.clients import Clients
from postward.rules.errors import Problem
from postward.rules.hold import HoldPolicy
from postward.rules.judge import Case
from postward.rules.rule import Mode, Plan, Rule, plan
from postward.rules.thresholds import Thresholds
from postward.stage import Door, Stage
from postward.tools import Tools

_MAX_PLANS = 512


@dataclass(frozen=True, slots=True)
class Override:
    """Rules and thresholds that differ for some mail. Empty sets match everything."""

    logins: frozenset[str]
    listeners: frozenset[str]
    recipients: frozenset[str]
    """Whole addresses in small letters."""
    domains: frozenset[str]
    """Domains of recipients."""
    rules: tuple[Rule, ...]
    """The rules that it changes, as they are then."""
    thresholds: Mapping[str, float | None]

    def matches(self, mail: Mail, accepted: Callable[[], tuple[Address, ...]]) -> bool:
        """Whether it applies to what is known of the mail now.

        Where one answer serves several recipients it applies if it matches all of them. After RCPT
        policyd is not told who they are: they are those that it `accepted`.
        """
        known = mail.known
        if self.logins and known.get("sasl_username", "") not in self.logins:
            return False
        if self.listeners and known.get("listener", "") not in self.listeners:
            return False
        recipients, domains = self.recipients, self.domains
        if not recipients and not domains:
            return True
        whole: tuple[Address, ...]
        if mail.stage <= Stage.RCPT:
            whole = (known["recipient"],) if "recipient" in known else ()
        else:
            whole = known["recipients"] if "recipients" in known else accepted()
        return bool(whole) and all(
            (not domains or each.domain in domains) and (not recipients or each.text.lower() in recipients)
            for each in whole
        )


@dataclass(slots=True)
class Ruleset:
    """The compiled rules. `digest` names their content: equal files give equal digests."""

    rules: tuple[Rule, ...]
    thresholds: Thresholds
    overrides: tuple[Override, ...]
    lists: Mapping[str, CompiledList]
    doors: frozenset[Door]
    digest: str
    holds: HoldPolicy = field(default_factory=HoldPolicy)
    """How long a sender domain is held, and what follows then."""
    doubts: tuple[Problem, ...] = ()
    """What is allowed, but surely not meant."""
    clients: Clients = field(default_factory=Clients)
    _plans: dict[tuple[Door, tuple[int, ...]], Plan] = field(default_factory=dict)
    _stages_of: dict[Door, frozenset[Stage]] = field(default_factory=dict)
    _due: dict[tuple[Door, Stage], bool] = field(default_factory=dict)
    _tag_fields: frozenset[str] | None = None

    def open(self, door: Door, tools: Tools) -> Case:
        """A new message before the rules at `door`."""
        return Case(self, door, tools.for_message())

    def plan_for(self, door: Door, mail: Mail, accepted: Callable[[], tuple[Address, ...]]) -> Plan:
        """The rules that apply to this mail at this door; `accepted` tells the recipients after RCPT."""
        if not self.overrides:
            return self._plan(door, ())
        matching = tuple(
            index for index, override in enumerate(self.overrides) if override.matches(mail, accepted)
        )
        return self._plan(door, matching)

    def _plan(self, door: Door, matching: tuple[int, ...]) -> Plan:
        made = self._plans.get((door, matching))
        if made is None:
            if len(self._plans) >= _MAX_PLANS:
                self._plans.clear()
            made = self._plans[door, matching] = self._make_plan(door, matching)
        return made

    def _make_plan(self, door: Door, matching: tuple[int, ...]) -> Plan:
        rules = {rule.name: rule for rule in self.rules}
        numbers = {name: getattr(self.thresholds, name) for name in Thresholds.__dataclass_fields__}
        for index in matching:
            rules.update((rule.name, rule) for rule in self.overrides[index].rules)
            numbers.update(self.overrides[index].thresholds)
        return plan(tuple(rules.values()), door, Thresholds(**numbers))

    def expired(self, now: float) -> dict[str, float]:
        """The rules that are no longer asked, with the end of their last day."""
        changed = (rule for override in self.overrides for rule in override.rules)
        return {
            rule.name: rule.gate.until
            for rule in (*changed, *self.rules)
            if rule.gate is not None and rule.gate.until is not None and rule.gate.until <= now
        }

    def _ever(self, door: Door) -> list[Rule]:
        """The rules that may run at `door` for some mail."""
        every = [*self.rules, *(rule for override in self.overrides for rule in override.rules)]
        return [rule for rule in every if rule.door is door and rule.mode is not Mode.OFF]

    def stages(self, door: Door) -> frozenset[Stage]:
        """The stages at which something may be decided at `door`: Postfix has to wait for those.

        At the milter the last stage counts as soon as policyd's score can reach a threshold there.
        """
        stages = self._stages(door)
        return stages | {Stage.EOM} if door is Door.MILTER and self.carries else stages

    def _stages(self, door: Door) -> frozenset[Stage]:
        held = self._stages_of.get(door)
        if held is None:
            held = self._stages_of[door] = frozenset(rule.stage for rule in self._ever(door))
        return held

    @property
    def carries(self) -> bool:
        """Whether policyd has something to tell the milter: both are in use and policyd judges."""
        return self._stages(Door.POLICYD) != frozenset() and Door.MILTER in self.doors

    def judges_late(self, door: Door) -> bool:
        """Whether a rule at `door` waits for DATA or the end of the message."""
        return any(stage > Stage.RCPT for stage in self._stages(door))

    def any_due(self, door: Door, stage: Stage) -> bool:
        """Whether a rule may be judged at `door` when it asks at `stage`."""
        due = self._due.get((door, stage))
        if due is None:
            due = self._due[door, stage] = any(
                rule.stage is stage if rule.per_recipient else rule.stage <= stage
                for rule in self._ever(door)
            )
        return due

    @property
    def tag_fields(self) -> frozenset[str]:
        """The header fields that tags are written into, besides our own, in small letters."""
        if self._tag_fields is None:
            outcomes = [each for rule in self._ever(Door.MILTER) for each in (rule.then, rule.unsure)]
            self._tag_fields = frozenset(each.header.lower() for each in outcomes if each.header)
        return self._tag_fields

    def needs(self, door: Door) -> frozenset[str]:
        """The facts that the rules at `door` read."""
        facts: set[str] = set()
        for rule in self._ever(door):
            facts |= rule.check.needs
            for condition in (*rule.gate.when, *rule.gate.unless) if rule.gate is not None else ():
                facts |= condition.needs
            for text in (rule.reason, rule.remedy):
                facts |= text.facts if text is not None else frozenset()
            if any(each.word == "tag" for each in (rule.then, rule.unsure)):  # forged ones must go
                facts.add("headers")
        return frozenset(facts)
