"""Domains that are new."""

import asyncio
from typing import Any

import pytest

from postward.address import parse
from postward.checks.new_domain import NewDomain
from postward.finding import Clear, Finding, Hit, Unsure
from postward.mail import Mail
from postward.stage import Stage
from postward.state import StoreDown
from postward.store.memory import MemoryStore
from postward.tools import Tools
from tests.dns_zone import ZoneDns
from tests.pretend import Clock, look

DAY = 86_400.0


def kit() -> Tools:
    return Tools(ZoneDns(), MemoryStore(), Clock(), {})


def found(tools: Tools, check: NewDomain, sender: str = "a@mail.new.example", **facts: Any) -> Finding:
    known = {"sender": parse(sender), "helo_name": "x", "reverse_client_name": "unknown", **facts}
    return asyncio.run(look(check, Mail(Stage.MAIL, known), tools.for_message()))


def met(tools: Tools, domain: str = "new.example", days_ago: float = 0.0) -> None:
    tools.store.seen.note(f"domain {domain}", now=tools.clock.wall() - days_ago * DAY, keep=400 * DAY)


def test_a_domain_that_was_never_met() -> None:
    assert found(kit(), NewDomain()) == Hit("new", "new.example", {"domain": "new.example"})


def test_a_domain_that_was() -> None:
    tools = kit()
    met(tools)
    assert isinstance(found(tools, NewDomain()), Clear)
    assert found(tools, NewDomain("known")) == Hit("known", "new.example, 1 times", {"domain": "new.example"})


@pytest.mark.parametrize(("days_ago", "reason"), [(6.9, "new"), (7.1, "known")])
def test_known_may_need_its_time(days_ago: float, reason: str) -> None:
    tools = kit()
    met(tools, days_ago=days_ago)
    hits = [found(tools, NewDomain(verdict, days=7)) for verdict in ("new", "known")]  # type: ignore[arg-type]
    assert [hit.reason for hit in hits if isinstance(hit, Hit)] == [reason]


def test_the_null_sender_counts_by_the_helo_name() -> None:
    tools = kit()
    met(tools, "host.example")
    assert isinstance(found(tools, NewDomain(), sender="<>", helo_name="mx.host.example"), Clear)


def test_nothing_names_a_domain() -> None:
    assert found(kit(), NewDomain(), sender="<>") == Clear("no domain")


def test_a_store_that_is_down_makes_nobody_new(monkeypatch: pytest.MonkeyPatch) -> None:
    async def down(*_: object, **__: object) -> Any:
        raise StoreDown("disk full")

    tools = kit()
    monkeypatch.setattr(tools.store.seen, "find", down)
    assert found(tools, NewDomain()) == Unsure("store: disk full")
