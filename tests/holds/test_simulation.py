"""Held domains over days, judged by real rules with the clock moved on (THREATS D7)."""

import asyncio
import ipaddress
from pathlib import Path
from typing import Any

import pytest

from postward.address import parse
from postward.decision import Continue, Decision, Defer, Hold, Quarantine, Reject
from postward.holds.clerk import Clerk
from postward.holds.decide import decide
from postward.holds.teller import Teller
from postward.mail import Mail
from postward.stage import Door, Stage
from postward.state import Ticket
from tests.house import build

RULES = """
shipped: off
holds: {{for: 24h, on_deadline: {on_deadline}}}
thresholds: {{greylist: 2}}
rules:
  - name: approved-domain
    check: decided
    with: {{verdict: approved}}
    then: watch
  - name: denied-domain
    check: decided
    with: {{verdict: denied}}
    then: reject
    reason: "{{value}} is not welcome."
  - name: client-without-rdns
    check: rdns
    with: {{verdict: missing}}
    then: {{score: 2}}
  - name: greylist
    check: greylist
    when: [suspicious]
    unless: [{{hit: [approved-domain]}}]
    then: defer
  - name: new-domain
    check: new_domain
    when: [suspicious]
    unless: [null_sender, {{sender_in: friends}}, {{hit: [approved-domain]}}]
    then: hold
    reason: "We do not know {{domain}} yet."
"""
HOUR = 3_600.0


class Town:
    """Rules in force, a clock, a clerk, and senders who knock."""

    def __init__(self, directory: Path, on_deadline: str = "accept") -> None:
        lists = {"friends": "entries: [friend.example]"}
        at = build(directory, RULES.format(on_deadline=on_deadline), lists, doors=frozenset({Door.POLICYD}))
        self.house, self.clock = at.house, at.clock
        self.holds = self.house.tools.store.holds
        self.clerk = Clerk(lambda: self.house.tools, lambda: self.house.rules.holds, Teller([], self.clock))

    async def knock(self, client: str = "192.0.2.1", sender: str = "a@new.example") -> Decision:
        """One attempt to deliver; the decision at RCPT."""
        mail = Mail(
            Stage.RCPT,
            {
                "client_address": ipaddress.ip_address(client),
                "client_name": "unknown",
                "reverse_client_name": "unknown",
                "helo_name": "mx.new.example",
                "sender": parse(sender),
                "recipient": parse("bob@example.org"),
                "sasl_username": "",
            },
        )
        case = self.house.rules.open(Door.POLICYD, self.house.tools)
        return (await case.judge(mail, 5.0)).decision

    async def wait(self, hours: float) -> None:
        """Time passes, and the clerk goes on working."""
        self.clock.now += hours * HOUR
        await self.clerk.round()
        await self.clerk.settled()
        self.clock.now += 2
        await self.clerk.round()
        await self.clerk.settled()

    async def past_greylisting(self, client: str = "192.0.2.1") -> None:
        assert isinstance(await self.knock(client), Defer)
        await self.wait(0.2)

    async def ticket(self) -> Ticket:
        found = await self.holds.find("new.example")
        assert found is not None
        return found


def run(town: Any) -> None:
    asyncio.run(town)


def test_a_pool_of_eight_addresses_over_five_days_is_one_ticket_and_comes_in(tmp_path: Path) -> None:
    town = Town(tmp_path)
    clients = [f"198.51.{number}.7" for number in range(100, 108)]

    async def main() -> None:
        came_in_after = None
        for attempt in range(60):
            decision = await town.knock(clients[attempt % 8])
            if decision == Continue():
                came_in_after = came_in_after or attempt * 2
            else:
                assert isinstance(decision, Defer | Hold), "never refused"
            await town.wait(2)
        assert len(await town.holds.tickets()) == 1
        ticket = await town.ticket()
        assert set(ticket.clients) == set(clients)
        assert (ticket.verdict, ticket.decided_by) == ("approved", "deadline")
        assert came_in_after is not None
        assert 24 <= came_in_after <= 48  # the hold, plus at most one round of the pool

    run(main())


def test_who_never_comes_back_leaves_a_ticket_that_ends(tmp_path: Path) -> None:
    town = Town(tmp_path)

    async def main() -> None:
        await town.past_greylisting()
        assert isinstance(await town.knock(), Hold)
        await town.wait(25)
        ticket = await town.ticket()
        assert (ticket.attempts, ticket.verdict, ticket.decided_by) == (1, "approved", "deadline")

    run(main())


def test_after_approval_the_next_retry_passes_at_once(tmp_path: Path) -> None:
    town = Town(tmp_path)

    async def main() -> None:
        await town.past_greylisting()
        assert isinstance(await town.knock(), Hold)
        await town.wait(3)
        assert isinstance(await town.knock(), Hold)
        ticket = await town.ticket()
        now = town.clock.now
        await decide(town.house.tools.store, ticket, "approved", "domain", now=now, by="carol", note="")
        assert await town.knock() == Continue()
        assert await town.knock("203.0.113.99") == Continue()  # from elsewhere too: no greylisting either

    run(main())


def test_after_a_denial_the_sender_reads_why(tmp_path: Path) -> None:
    town = Town(tmp_path)

    async def main() -> None:
        await town.past_greylisting()
        await town.knock()
        store = town.house.tools.store
        await decide(store, await town.ticket(), "denied", "domain", now=town.clock.now, by="carol", note="")
        decision = await town.knock()
        assert isinstance(decision, Reject)
        assert "new.example is not welcome." in str(decision.reply)

    run(main())


@pytest.mark.parametrize(
    ("on_deadline", "kind"),
    [("accept", Continue), ("quarantine", Quarantine), ("defer", Hold), ("reject", Reject)],
)
def test_what_follows_at_the_deadline(tmp_path: Path, on_deadline: str, kind: type[Decision]) -> None:
    town = Town(tmp_path, on_deadline)

    async def main() -> None:
        await town.past_greylisting()
        assert isinstance(await town.knock(), Hold)
        await town.wait(24)
        assert isinstance(await town.knock(), kind)

    run(main())


def test_who_is_refused_by_the_deadline_reads_the_ticket(tmp_path: Path) -> None:
    town = Town(tmp_path, "reject")

    async def main() -> None:
        await town.past_greylisting()
        await town.knock()
        town.clock.now += 25 * HOUR  # the clerk was not there
        decision = await town.knock()
        assert isinstance(decision, Reject)
        ticket = await town.ticket()
        assert f"nobody vouched for it in time (ticket {ticket.id})" in str(decision.reply)

    run(main())


@pytest.mark.parametrize("sender", ["<>", "a@friend.example"])
def test_bounces_and_listed_senders_never_wait_for_a_person(tmp_path: Path, sender: str) -> None:
    town = Town(tmp_path)

    async def main() -> None:
        assert isinstance(await town.knock(sender=sender), Defer)
        await town.wait(0.2)
        assert await town.knock(sender=sender) == Continue()
        assert await town.holds.tickets() == ()

    run(main())


def test_the_evidence_is_there_for_the_person(tmp_path: Path) -> None:
    town = Town(tmp_path)

    async def main() -> None:
        await town.past_greylisting()
        await town.knock()
        await town.wait(0)
        await town.wait(0)
        ticket = await town.ticket()
        assert ticket.evidence == "client-without-rdns, new-domain"
        assert ticket.knock["client"] == "192.0.2.1"
        assert ticket.knock["rdns"] == "missing"
        assert ticket.card["mx"] == "none: there is no such name"

    run(main())
