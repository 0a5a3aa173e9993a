"""A DNS whose answers stand in a table, for tests of DNS lists; names that are not there do not exist."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Any

from postward.dnslists.definition import Code, Definition, pattern, points
from postward.dnslists.guard import Guard
from postward.dnslists.lists import AskedLists
from postward.tools import Answer, NoName, Records
from tests.dns_zone import ZoneDns
from tests.pretend import Clock

KEY = "SecretKey42"


class ScriptedDns(ZoneDns):
    """`answers`: addresses by name. `broken`: an answer by the end of names, before all else."""

    def __init__(self, answers: Mapping[str, Sequence[str]] | None = None) -> None:
        super().__init__()
        self.answers = {name.lower(): tuple(values) for name, values in (answers or {}).items()}
        self.broken: dict[str, Answer[str]] = {}
        self.hanging: set[str] = set()
        self.asked: list[str] = []

    async def a(self, name: str) -> Answer[str]:
        self.asked.append(name)
        name = name.lower()
        for end in self.hanging:
            if name.endswith(end):
                await asyncio.Event().wait()
        for end, answer in self.broken.items():
            if name.endswith(end):
                return answer
        values = self.answers.get(name)
        return Records(values, 300) if values else NoName(300)


def definition(name: str = "bl", **changes: Any) -> Definition:
    """A list of addresses at `NAME.example`: 127.0.0.2 is spam (2.0), bit 64 a virus (1.0)."""
    about = frozenset(changes.pop("about", {"client"}))
    listed, clear = points(about)
    zone = changes.pop("zone", f"{name}.example")
    codes = changes.pop("codes", {"127.0.0.2": 2.0, "bit 64": 1.0})
    return Definition(
        name=name,
        about=about,
        codes=tuple(Code(pattern(text), score, f"code {text}") for text, score in codes.items()),
        zone=zone,
        asked_zone=changes.pop("asked_zone", zone),
        listed=changes.pop("listed", listed),
        clear=changes.pop("clear", clear),
        **changes,
    )


def keyed(name: str = "bl") -> Definition:
    """The same with a private key."""
    zone = f"***.{name}.example"
    return definition(name, zone=zone, asked_zone=zone.replace("***", KEY.lower()), key=KEY.lower())


def in_order(*definitions: Definition) -> dict[str, Sequence[str]]:
    """Answers of lists that pass their test: the points that they must have."""
    return {
        each.asked("2.0.0.127" if point == "127.0.0.2" else point): ("127.0.0.2",)
        for each in definitions
        for point in each.listed
    }


def org(name: str) -> str:
    """The last two labels."""
    return ".".join(name.split(".")[-2:])


class Watch:
    """Lists under guard; `told` is what a person heard."""

    def __init__(self, dns: ScriptedDns, *definitions: Definition, **options: Any) -> None:
        self.dns = dns
        self.clock = Clock()
        self.told: list[str] = []
        self.lists = AskedLists(definitions, dns, org, options.pop("states", None))
        self.guard = Guard(
            self.lists, dns, self.clock, tell=self.told.append, chance=random.Random(1), **options
        )

    async def after(self, seconds: float, step: float = 30.0) -> None:
        """Let time pass, with a turn of the guard at each step."""
        while seconds > 0:
            self.clock.pass_by(min(step, seconds))
            seconds -= step
            await self.guard.tend()

    def on(self) -> dict[str, bool]:
        return {each.definition.name: each.state.on for each in self.lists.watched}


def watched(dns: ScriptedDns, *definitions: Definition, **options: Any) -> Watch:
    """Lists that have had their first test."""
    watch = Watch(dns, *definitions, **options)
    asyncio.run(watch.guard.tend())
    dns.asked.clear()
    return watch
