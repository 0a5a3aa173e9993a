"""Is a list in order? It has its test point, and has not what no list may have (RFC 5782 5).

The random point is new in each test, so that no cache answers for the list.
"""

import asyncio
import ipaddress
import random
from collections.abc import Sequence
from dataclasses import dataclass

from postward.dnslists import answer, question
from postward.dnslists.answer import Nonsense, Refused, Silent
from postward.dnslists.definition import Definition
from postward.dnslists.statistics import Step
from postward.tools import Answer, Dns, NoData, NoName, Records, Trouble


@dataclass(frozen=True, slots=True)
class Result:
    """A self-test. `why` it failed, empty when it passed; `silent`: only because nothing answered."""

    steps: tuple[Step, ...]
    why: str = ""
    silent: bool = False


async def full(definition: Definition, dns: Dns, chance: random.Random) -> Result:
    """All steps at the same time, each in the seconds that the list has; never raises."""
    points = [(point, True) for point in definition.listed]
    points += [(point, False) for point in definition.clear]
    points += [(point, False) for point in random_points(definition, chance)]
    return _result(await asyncio.gather(*(_step(definition, dns, point, wanted) for point, wanted in points)))


async def quick(definition: Definition, dns: Dns, chance: random.Random) -> Result:
    """Only that it does not list what no list has: a few queries, for between two tests."""
    points = random_points(definition, chance)
    return _result(await asyncio.gather(*(_step(definition, dns, point, False) for point in points)))


def labels(point: str) -> str:
    """The labels of a test point: an address turned round, or a name as it is."""
    try:
        return question.reverse(ipaddress.ip_address(point))
    except ValueError:
        return point


def random_points(definition: Definition, chance: random.Random) -> tuple[str, ...]:
    """What no list can have: an address of this host, one that no host has, a name that nobody made.

    Two addresses, because beside the test point no wildcard of the zone covers 127.x (RFC 4592 3.3).
    """
    points = []
    if "client" in definition.about:
        rest = f"{chance.randint(0, 255)}.{chance.randint(1, 254)}"
        points.append(f"127.{chance.randint(1, 254)}.{rest}")
        points.append(f"{chance.randint(240, 254)}.{chance.randint(0, 255)}.{rest}")  # RFC 1112 4
    if definition.about != {"client"}:
        points.append(f"{chance.getrandbits(64):016x}.invalid")
    return tuple(points)


async def _step(definition: Definition, dns: Dns, point: str, wanted: bool) -> tuple[Step, str, bool]:
    """The step, why it failed (empty: it did not), and whether that is for silence alone."""
    reply = await _ask(definition, dns, labels(point))
    text, why = _judged(definition, reply, point, wanted)
    return Step(definition.shown(labels(point)), text, not why), why, isinstance(reply, Trouble)


async def _ask(definition: Definition, dns: Dns, asked: str) -> Answer[str]:
    try:
        async with asyncio.timeout(definition.within):
            return await dns.a(definition.asked(asked))
    except TimeoutError:
        return Trouble(f"no answer in {definition.within:g} s")


def _judged(definition: Definition, reply: Answer[str], point: str, wanted: bool) -> tuple[str, str]:
    """What came, and why that is wrong (empty: it is right)."""
    said = answer.read(definition, reply)
    if isinstance(reply, NoName | NoData):
        return "not listed", f"{point} is not listed; is this still a list?" if wanted else ""
    if isinstance(said, Silent):
        return said.why, said.why
    if isinstance(said, Refused | Nonsense):
        return said.why, f"{point}: {said.why}"
    assert isinstance(reply, Records)  # what is no denial and no trouble
    return ", ".join(
        reply.values
    ), "" if wanted else f"it lists {point}, which no list may: it lists everything"


def _result(steps: Sequence[tuple[Step, str, bool]]) -> Result:
    """A wrong answer says more than none."""
    wrong = [why for _, why, silent in steps if why and not silent]
    silent = [why for _, why, silent in steps if why and silent]
    told = (wrong or silent or [""])[0]
    return Result(tuple(step for step, _, _ in steps), told, silent=bool(silent) and not wrong)
