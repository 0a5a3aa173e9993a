"""Tickets, and a way of telling that notes what it was told."""

import asyncio
from collections.abc import Mapping

from postward.holds.notice import Notice, NotTold
from postward.state import Ticket
from postward.store.memory import MemoryStore
from postward.tools import Tools
from tests.dns_zone import ZoneDns
from tests.pretend import Clock

KNOCK = {"client": "192.0.2.9", "helo": "mx.new.example", "sender": "a@new.example"}
HOUR = 3_600.0


def kit() -> Tools:
    return Tools(ZoneDns(), MemoryStore(), Clock(), {})


def knock(tools: Tools, domain: str = "new.example", facts: Mapping[str, str] = KNOCK) -> Ticket:
    """A try to deliver, as the hold books it."""
    holds = tools.store.holds
    return asyncio.run(holds.meet(domain, now=tools.clock.wall(), evidence="new-domain", knock=facts))


def find(tools: Tools, domain: str = "new.example") -> Ticket:
    found = asyncio.run(tools.store.holds.find(domain))
    assert found is not None
    return found


class Told:
    """Implements `postward.holds.teller.Way`; fails as long as `fails` says why."""

    def __init__(self, name: str = "told", pause: float = 0.0) -> None:
        self.name = name
        self.pause = pause
        self.notices: list[Notice] = []
        self.fails = ""

    async def send(self, notice: Notice) -> None:
        if self.fails:
            raise NotTold(self.fails)
        self.notices.append(notice)

    @property
    def domains(self) -> list[list[str]]:
        return [[ticket.domain for ticket in notice.tickets] for notice in self.notices]
