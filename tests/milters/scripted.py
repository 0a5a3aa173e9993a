"""A house whose rules say what a test wants: the milter door without rules, DNS or state."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from postward.carried import Carried
from postward.decision import Continue, Decision, Edit
from postward.house import House
from postward.mail import Mail
from postward.rules.judgement import Judged, Judgement
from postward.stage import Door, Stage
from postward.tools import NoName, Tools

TRACE = "0TESTTRACE"
KEY = b"a key that both daemons share"


class Clock:
    """Time that stands still."""

    def wall(self) -> float:
        return 1_800_000_000.0

    def monotonic(self) -> float:
        return 1_000.0


class EmptyDns:
    """Every name is NXDOMAIN."""

    async def a(self, name):
        return NoName(60)

    aaaa = ptr = mx = txt = a


@dataclass
class ScriptedCase:
    """Gives the scripted decisions and remembers what it was asked."""

    rules: "ScriptedRules"
    tools: Tools
    trace: str = TRACE
    carried: Carried | None = None
    tag_fields: frozenset[str] = frozenset()
    asked: list[Mail] = field(default_factory=list)

    def hear(self, carried: Carried) -> None:
        self.carried = carried
        self.trace = carried.trace

    async def judge(self, mail: Mail, within: float) -> Judgement:
        self.asked.append(mail)
        if self.rules.wait:
            self.rules.waiting += 1
            await self.rules.go_on.wait()
            self.rules.waiting -= 1
        if self.rules.error is not None and mail.stage in self.rules.error_at:
            raise self.rules.error
        decision = self.rules.decide(mail)
        score = self.carried.score if self.carried is not None else 0.0
        edits = self.rules.edits if mail.stage is Stage.EOM else ()
        return Judgement(self.trace, mail.stage, decision, "scripted", score, self.rules.judged, edits)


@dataclass
class ScriptedRules:
    """Stands for a Ruleset. `decisions` by stage, or by recipient address."""

    decisions: Mapping[Stage | str, Decision] = field(default_factory=dict)
    edits: tuple[Edit, ...] = ()
    judged: tuple[Judged, ...] = ()
    error: BaseException | None = None
    error_at: frozenset[Stage] = frozenset(Stage)
    wait: bool = False
    at: frozenset[Stage] | None = None
    digest: str = "scripted"
    cases: list[ScriptedCase] = field(default_factory=list)
    waiting: int = 0
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    def decide(self, mail: Mail) -> Decision:
        if mail.stage is Stage.RCPT and mail.recipient.text in self.decisions:
            return self.decisions[mail.recipient.text]
        return self.decisions.get(mail.stage, Continue())

    def open(self, door: Door, tools: Tools) -> ScriptedCase:
        assert door is Door.MILTER
        case = ScriptedCase(self, tools.for_message())
        self.cases.append(case)
        return case

    def stages(self, door: Door) -> frozenset[Stage]:
        return frozenset(Stage) if self.at is None else self.at

    def needs(self, door: Door) -> frozenset[str]:
        return frozenset()

    @property
    def asked(self) -> list[Mail]:
        """What was judged, in order, over all messages."""
        return [mail for case in self.cases for mail in case.asked]


@dataclass
class Records:
    """What the door recorded."""

    seen: list[tuple[str, Mail, Judgement]] = field(default_factory=list)

    def __call__(self, door: str, mail: Mail, judgement: Judgement) -> None:
        self.seen.append((door, mail, judgement))


def house(rules: ScriptedRules, records: Records | None = None) -> House:
    """A house with these rules, no DNS and no state."""
    tools = Tools(EmptyDns(), None, Clock(), {})
    return House(rules, tools, records or Records(), KEY)
