"""Each check that looks up, against each hostile zone: it could not tell, and it says why."""

import asyncio
import ipaddress
import time
from typing import Any

import pytest

from postward import eager
from postward.address import parse
from postward.checks.dns_list import DnsList
from postward.checks.helo import Helo
from postward.checks.rdns import ReverseDns
from postward.checks.sender_domain import SenderDomain
from postward.checks.spf import Spf
from postward.checks.spf_record import SpfRecord
from postward.daemon.wiring import SystemClock
from postward.derive.iprev import iprev
from postward.derive.sender_domain import sender_domain
from postward.derive.spf import spf
from postward.dns.resolver import Resolver
from postward.dnslists.definition import Code, Definition, pattern
from postward.dnslists.lists import AskedLists
from postward.dnslists.statistics import State
from postward.finding import Clear, Finding, Unsure
from postward.mail import Mail
from postward.stage import Stage
from postward.store.memory import MemoryStore
from postward.tools import Tools
from tests.dns_real.world import HONEST, HOSTILE, LYING, Case, World
from tests.pretend import look, tools

CHECKS: dict[str, Any] = {
    "rdns-missing": ReverseDns("missing"),
    "rdns-mismatch": ReverseDns("mismatch"),
    "helo-unresolvable": Helo("unresolvable"),
    "spf-fail": Spf(("fail",)),
    "spf-record": SpfRecord("plus_all"),
    "sender-unknown": SenderDomain("unknown"),
    "sender-null-mx": SenderDomain("null_mx"),
    "sender-bad-mx": SenderDomain("bad_mx"),
}
UNSERVED = tuple(case for case in HOSTILE if case in LYING or case.name in ("broken", "lame"))
TIMEOUT = 0.5


def _mail(case: Case) -> Mail:
    return Mail().learn(
        Stage.MAIL,
        client_address=ipaddress.ip_address(case.client),
        helo_name=case.domain,
        sender=parse(f"a@{case.domain}"),
    )


def _tools(world: World) -> Tools:
    kit = tools(Resolver([world.address], TIMEOUT, 2, 1_000, SystemClock()))
    kit.clock, kit.store = SystemClock(), MemoryStore()
    return kit


async def _look(check: Any, case: Case, world: World) -> tuple[Finding, float]:
    kit = _tools(world)
    began = time.monotonic()
    found = await look(check, _mail(case), kit)
    return found, time.monotonic() - began


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.name)
@pytest.mark.parametrize("name", CHECKS)
def test_it_could_not_tell_and_says_why(name: str, case: Case, world: World) -> None:
    found, took = asyncio.run(_look(CHECKS[name], case, world))
    assert isinstance(found, Unsure), found
    assert found.why
    assert found.why.isprintable()
    assert took < 4 * TIMEOUT


@pytest.mark.parametrize("case", HONEST, ids=lambda case: case.name)
@pytest.mark.parametrize("name", CHECKS)
def test_an_unusual_server_costs_an_honest_client_nothing(name: str, case: Case, world: World) -> None:
    found, _ = asyncio.run(_look(CHECKS[name], case, world))
    assert isinstance(found, Clear)


@pytest.mark.parametrize("case", UNSERVED, ids=lambda case: case.name)
def test_a_list_in_such_a_zone_lists_nobody(case: Case, world: World) -> None:
    codes = (Code(pattern("127.*.*.*"), 5.0, "spam"),)
    asked = Definition(case.name, frozenset({"client"}), codes, case.domain, case.domain)

    async def main() -> Finding:
        kit = _tools(world)
        lists = AskedLists([asked], kit.dns, lambda name: name)
        lists.watched[0].state = State(on=True)  # as if it had passed its test a moment ago
        lists.sort()
        kit.dns_lists = lists
        return await look(DnsList("client"), _mail(case), kit)

    found = asyncio.run(main())
    assert isinstance(found, Unsure), found
    assert found.why.isprintable()


def test_with_all_in_the_cache_nothing_waits(world: World) -> None:
    case = HONEST[0]

    async def main() -> list[bool]:
        kit, mail = _tools(world), _mail(case)
        derived = (iprev, spf, sender_domain)
        for derive in derived:
            await derive(mail, kit)
        again = kit.for_message()
        return [isinstance(eager.start(derive(mail, again)), eager.Ready) for derive in derived]

    assert asyncio.run(main()) == [True, True, True]


def test_an_evaluation_of_spf_from_the_cache_does_not_wait(world: World) -> None:
    """Also for a sender whose result is not remembered yet."""
    case = HONEST[0]

    async def main() -> bool:
        kit = _tools(world)
        await spf(_mail(case), kit)
        other = _mail(case).learn(Stage.MAIL, client_address=ipaddress.ip_address("203.0.113.200"))
        return isinstance(eager.start(spf(other, kit.for_message())), eager.Ready)

    assert asyncio.run(main())
