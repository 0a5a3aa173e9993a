"""Judging for tests: mails with every fact of their stage, and checks that find what the test tells them.

    bench = Bench(tmp_path, "rules:\n  - {name: a, check: at-once, with: {key: x}, then: reject}")
    bench.finds["x"] = Hit("told")
    assert isinstance(bench.judge(Stage.RCPT).decision, Reject)

The checks are `at-once`, `look-up`, `by-domain`, `recall`, `delaying` and `stateful`, one for each cost.
`finds[key]` is a finding, an exception to raise, or a coroutine function to wait for; `asked` lists
the keys in the order in which they were asked. `shipped: off` is written for you.
"""

import asyncio
import ipaddress
from collections.abc import Callable, Coroutine, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from postward.address import parse
from postward.carried import Carried
from postward.checks import Cost, Looked
from postward.checks.registry import CHECKS
from postward.decision import Decision
from postward.finding import CLEAR, Finding, Hit
from postward.mail import FACTS, Mail
from postward.rules.judge import Case
from postward.rules.judgement import Judged, Judgement
from postward.stage import Door, Stage
from postward.state import Store
from tests.house import BOTH, build

Told = Finding | Exception | Callable[[], Coroutine[Any, Any, Finding]]
HIT = Hit("told", "as told", {"word": "spam"})
_EVERY: dict[str, Any] = {
    "client_address": ipaddress.ip_address("192.0.2.1"),
    "client_name": "mx.example.net",
    "reverse_client_name": "mx.example.net",
    "client_port": 1025,
    "listener": "",
    "instance": "1.2.3",
    "helo_name": "mx.example.net",
    "protocol_name": "ESMTP",
    "encryption_protocol": "",
    "encryption_cipher": "",
    "ccert_subject": "",
    "sender": parse("alice@example.net"),
    "sasl_username": "",
    "sasl_method": "",
    "size": 0,
    "recipient": parse("bob@example.org"),
    "recipients": (parse("bob@example.org"),),
    "recipient_count": 1,
    "queue_id": "4XYZ",
    "headers": (),
}
_told: dict[str, Told] = {}
_asked: list[str] = []


def mail_at(stage: Stage, door: Door = Door.POLICYD, **changes: Any) -> Mail:
    """A mail that knows what `door` knows at `stage`; `changes` are facts that differ."""
    known = {}
    for name, value in {**_EVERY, **changes}.items():
        first = FACTS[name].stage(door)
        if first is not None and first <= stage and (name != "recipient" or stage is Stage.RCPT):
            known[name] = value
    return Mail(stage, known)


def _look(key: str) -> Looked:
    _asked.append(key)
    told = _told.get(key, CLEAR)
    if isinstance(told, Exception):
        raise told
    return told() if callable(told) else told


@dataclass(frozen=True, slots=True)
class _AtOnce:
    name: ClassVar[str] = "at-once"
    cost: ClassVar[Cost] = Cost.MEMORY
    reasons: ClassVar[Mapping[str, str]] = {"told": "The test said so."}
    says: ClassVar[Mapping[str, str]] = {"word": "A word."}

    key: str
    reads: tuple[str, ...] = ()

    @property
    def needs(self) -> frozenset[str]:
        return frozenset(self.reads)

    def look(self, mail: Mail, tools: object) -> Looked:
        for fact in self.reads:
            getattr(mail, fact)
        return _look(self.key)


class _LookUp(_AtOnce):
    __slots__ = ()
    name: ClassVar[str] = "look-up"
    cost: ClassVar[Cost] = Cost.LOOKUP


class _ByDomain(_LookUp):
    __slots__ = ()
    name: ClassVar[str] = "by-domain"
    by_domain: ClassVar[bool] = True


class _Recall(_AtOnce):
    __slots__ = ()
    name: ClassVar[str] = "recall"
    cost: ClassVar[Cost] = Cost.RECALL


class _Delaying(_AtOnce):
    __slots__ = ()
    name: ClassVar[str] = "delaying"
    cost: ClassVar[Cost] = Cost.DELAY


class _Stateful(_AtOnce):
    __slots__ = ()
    name: ClassVar[str] = "stateful"
    cost: ClassVar[Cost] = Cost.STATE


@contextmanager
def _known() -> Any:
    added = {check.name: check for check in (_AtOnce, _LookUp, _ByDomain, _Recall, _Delaying, _Stateful)}
    CHECKS.update(added)
    try:
        yield
    finally:
        for name in added:
            del CHECKS[name]


class Bench:
    """Rules, a house around them, and one case at one door."""

    def __init__(
        self,
        directory: Path,
        rules: str,
        lists: Mapping[str, str] | None = None,
        *,
        door: Door = Door.POLICYD,
        doors: frozenset[Door] = BOTH,
        store: Store | None = None,
    ) -> None:
        _told.clear()
        _asked.clear()
        self.finds, self.asked = _told, _asked
        with _known():
            self.at = build(directory, f"shipped: off\n{rules}", lists, store=store, doors=doors)
        self.rules = self.at.house.rules
        self.clock = self.at.clock
        self.tools = self.at.house.tools
        self.door = door
        self.case = self.open()

    def open(self) -> Case:
        """A new message, which `judge` judges from now on."""
        self.case = self.rules.open(self.door, self.tools)
        return self.case

    async def judging(self, stage: Stage, within: float = 10.0, **facts: Any) -> Judgement:
        """The judgement of the message at `stage`."""
        return await self.case.judge(mail_at(stage, self.door, **facts), within)

    def judge(self, stage: Stage = Stage.RCPT, within: float = 10.0, **facts: Any) -> Judgement:
        """The same, from a plain function."""
        return asyncio.run(self.judging(stage, within, **facts))

    def decide(self, stage: Stage = Stage.RCPT, **facts: Any) -> Decision:
        """Only what follows."""
        return self.judge(stage, **facts).decision

    def at_milter(self, carried: Carried) -> "Bench":
        """The same message at the other door, which has heard what policyd found."""
        self.door = Door.MILTER
        self.open().hear(carried)
        return self


def of(judgement: Judgement, rule: str) -> Judged:
    """What was recorded of one rule."""
    [judged] = [each for each in judgement.judged if each.rule == rule]
    return judged


def recipient(text: str) -> dict[str, Any]:
    """The fact of a recipient."""
    return {"recipient": parse(text)}


Kind = Literal["at-once", "look-up", "by-domain", "recall", "delaying", "stateful"]


def rule(name: str, then: str, check: Kind = "at-once", **more: str) -> str:
    """One rule in YAML; its check's key is its name."""
    reads = more.pop("reads", "")
    options = f"{{key: {name}, reads: [{reads}]}}"
    keys = "".join(f", {key}: {value}" for key, value in more.items())
    return f"  - {{name: {name}, check: {check}, with: {options}, then: {then}{keys}}}\n"


def rules(*lines: str, before: str = "") -> str:
    """A rules file."""
    return f"{before}\nrules:\n{''.join(lines)}"
