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
from postward.holds.stats import stats
from postward.holds.teller import Teller
from postward.mail import Mail
from postward.stage import Door, Stage
from postward.state import StoreDown, Ticket
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

    def __init__(self, directory: Path, on_deadline: str = "accept", rules: str = RULES) -> None:
        lists = {"friends": "entries: [friend.example]"}
        at = build(directory, rules.format(on_deadline=on_deadline), lists, doors=frozenset({Door.POLICYD}))
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
        assert await town.knock("192.0.2.99") == Continue()  # from beside it too
        # Elsewhere it may be anybody who writes the name: it is greylisted, but not held any more.
        assert isinstance(await town.knock("203.0.113.99"), Defer)
        await town.wait(1)
        assert await town.knock("203.0.113.99") == Continue()

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


# --- What a person says is about what they named, for as long as they said --------------------------
WITHOUT_WORDS = (
    RULES[: RULES.index("  - name: approved-domain")] + RULES[RULES.index("  - name: client-without-rdns") :]
)
ALONE = WITHOUT_WORDS.replace("    unless: [{{hit: [approved-domain]}}]\n", "").replace(
    ", {{hit: [approved-domain]}}", ""
)
"""No rule asks for a person's words; the hold does."""


@pytest.fixture(params=[RULES, ALONE], ids=["rules ask for words", "the hold alone"])
def town(request: pytest.FixtureRequest, tmp_path: Path) -> Town:
    return Town(tmp_path, rules=request.param)


async def knock_twice(town: Town, *clients: str) -> None:
    """Past greylisting, so that the domain is held."""
    for client in clients:
        await town.knock(client)
    await town.wait(0.2)
    for client in clients:
        assert isinstance(await town.knock(client), Hold)


async def say(town: Town, verdict: str, scope: str, lasts_hours: float | None = None) -> None:
    lasts = None if lasts_hours is None else lasts_hours * HOUR
    store, now = town.house.tools.store, town.clock.now
    await decide(store, await town.ticket(), verdict, scope, now=now, by="carol", note="", lasts=lasts)


A, B, C = "192.0.2.1", "198.51.100.1", "2001:db8:1::25"


def test_a_client_that_was_denied_is_the_only_one(town: Town) -> None:
    async def main() -> None:
        await knock_twice(town, A)
        await say(town, "denied", "client")
        assert isinstance(await town.knock(A), Reject)
        await town.knock(B)
        await town.wait(0.2)
        assert isinstance(await town.knock(B), Hold)
        assert (await town.ticket()).verdict == "waiting"

    run(main())


def test_a_network_that_was_approved_is_the_only_one(town: Town) -> None:
    async def main() -> None:
        await knock_twice(town, C)
        await say(town, "approved", "network")
        assert await town.knock(C) == Continue()
        await town.knock("2001:db8:1::26")
        await town.knock(B)
        await town.wait(0.2)
        assert await town.knock("2001:db8:1::26") == Continue()  # of the same /64
        assert isinstance(await town.knock(B), Hold)

    run(main())


@pytest.mark.parametrize(("verdict", "kind"), [("approved", Continue), ("denied", Reject)])
def test_after_a_limited_word_the_domain_waits_anew(town: Town, verdict: str, kind: type[Decision]) -> None:
    async def main() -> None:
        await knock_twice(town, A)
        await say(town, verdict, "domain", 48)
        await town.wait(47)
        assert isinstance(await town.knock(A), kind)
        await town.wait(2)
        assert isinstance(await town.knock(A), Hold)
        ticket = await town.ticket()
        assert (ticket.verdict, ticket.decided_by, ticket.attempts) == ("waiting", "", 1)
        assert ticket.opened == town.clock.now
        await town.wait(23)
        assert isinstance(await town.knock(A), Hold)

    run(main())


def test_after_a_limited_word_a_client_is_like_the_others(town: Town) -> None:
    async def main() -> None:
        await knock_twice(town, A)
        await say(town, "denied", "client", 1)
        assert isinstance(await town.knock(A), Reject)
        await town.wait(1.1)
        assert isinstance(await town.knock(A), Hold)

    run(main())


@pytest.mark.parametrize("client_first", [False, True])
def test_an_approved_domain_with_a_denied_client(tmp_path: Path, client_first: bool) -> None:
    town = Town(tmp_path)

    async def main() -> None:
        await knock_twice(town, A)
        said = [("denied", "client"), ("approved", "domain")]
        for verdict, scope in said if client_first else reversed(said):
            await say(town, verdict, scope)
        await town.knock(B)
        await town.wait(0.2)
        assert isinstance(await town.knock(A), Reject)
        assert await town.knock(B) == Continue()

    run(main())


def test_what_one_process_decides_counts_at_once_in_another(town: Town, monkeypatch: Any) -> None:
    """The ticket is read fresh, also where words are known from a moment before."""

    async def main() -> None:
        await knock_twice(town, A)
        await say(town, "approved", "domain")
        store = town.house.tools.store

        async def stale(*_: object, **__: object) -> tuple[()]:
            return ()

        monkeypatch.setattr(store.holds, "words", stale)
        await store.seen.forget("domain new.example")
        assert await town.knock(A) == Continue()

    run(main())


def test_who_was_refused_by_a_word_alone_does_not_read_that_he_is_to_wait(tmp_path: Path) -> None:
    town = Town(tmp_path, rules=ALONE)

    async def main() -> None:
        await knock_twice(town, A)
        await say(town, "denied", "client")
        decision = await town.knock(A)
        assert isinstance(decision, Reject)
        assert "Our postmaster has refused mail of your server" in str(decision.reply)

    run(main())


def test_words_that_cannot_be_read_hold_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    town = Town(tmp_path, rules=ALONE)

    async def down(*_: object, **__: object) -> Any:
        raise StoreDown("disk full")

    async def main() -> None:
        await knock_twice(town, A)
        monkeypatch.setattr(town.holds, "words", down)
        assert await town.knock(A) == Continue()

    run(main())


# --- The deadline -----------------------------------------------------------------------------------
def test_what_the_deadline_let_in_never_waits_again_and_is_counted(tmp_path: Path) -> None:
    town = Town(tmp_path)

    async def main() -> None:
        await knock_twice(town, A)
        await town.wait(24)
        for days in (0, 1, 40, 300):
            await town.wait(days * 24)
            await town.knock(A)  # greylisted anew after a long time
            await town.wait(0.2)
            assert await town.knock(A) == Continue()
        assert (await town.ticket()).decided_by == "deadline"
        numbers = stats(await town.holds.tickets(None), town.clock.now)
        assert (numbers.by_deadline, numbers.approved, numbers.waiting) == (1, 1, 0)

    run(main())


def test_a_person_may_still_deny_what_the_deadline_let_in(tmp_path: Path) -> None:
    town = Town(tmp_path)

    async def main() -> None:
        await knock_twice(town, A)
        await town.wait(24)
        await say(town, "denied", "domain")
        assert isinstance(await town.knock(A), Reject)

    run(main())
