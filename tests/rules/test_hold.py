"""Holds: a ticket for the sender's domain says what follows."""

import asyncio
import time
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from postward.address import NULL, parse
from postward.decision import Continue, Hold, Reject
from postward.derive.responsible import domain_of
from postward.derive.sender_domain import sender_domain
from postward.finding import Finding, Unsure
from postward.rules.hold import HoldPolicy
from postward.stage import Stage
from postward.state import StoreDown, Ticket, Word
from postward.store.memory import MemoryStore
from tests.rules.judging import HIT, Bench, mail_at, of, recipient, rule, rules

NEW = rule("new", "hold", reason='"We do not know {sender_domain} yet."')


def _bench(tmp_path: Path, *lines: str, store: Any = None, before: str = "") -> Bench:
    bench = Bench(tmp_path, rules(*(lines or (NEW,)), before=before), store=store)
    bench.finds.update(new=HIT, other=HIT)
    return bench


def _tickets(bench: Bench) -> tuple[Ticket, ...]:
    return asyncio.run(bench.tools.store.holds.tickets())


def _decide(bench: Bench, verdict: str) -> None:
    [ticket] = _tickets(bench)
    asyncio.run(bench.tools.store.holds.decide(ticket.id, verdict, now=0, by="admin", note=""))
    bench.open()


def test_a_new_domain_waits_with_a_ticket(tmp_path: Path) -> None:
    bench = _bench(tmp_path)
    decision = bench.decide()
    [ticket] = _tickets(bench)
    assert isinstance(decision, Hold)
    assert decision.domain == ticket.domain == "example.net"
    trace = bench.case.trace
    assert str(decision.reply) == (
        f"450 4.7.1 We do not know example.net yet. (ticket {ticket.id}) [{trace}]"
    )


def test_the_ticket_holds_the_evidence(tmp_path: Path) -> None:
    bench = _bench(tmp_path, rule("other", "{score: 1}", "look-up"), NEW)
    bench.decide()
    assert _tickets(bench)[0].evidence == "other, new"


def test_fifty_recipients_are_one_attempt(tmp_path: Path) -> None:
    bench = _bench(tmp_path)
    for number in range(50):
        assert isinstance(bench.decide(**recipient(f"u{number}@example.org")), Hold)
    assert _tickets(bench)[0].attempts == 1


def test_another_message_is_another_attempt(tmp_path: Path) -> None:
    bench = _bench(tmp_path)
    for _ in range(3):
        bench.open()
        bench.decide()
    assert _tickets(bench)[0].attempts == 3


def test_an_approved_domain_comes_in(tmp_path: Path) -> None:
    bench = _bench(tmp_path)
    bench.decide()
    _decide(bench, "approved")
    judgement = bench.judge()
    assert judgement.decision == Continue()
    assert of(judgement, "new").skipped.endswith("is approved")


def test_a_denied_domain_is_refused(tmp_path: Path) -> None:
    bench = _bench(tmp_path)
    bench.decide()
    _decide(bench, "denied")
    decision = bench.decide()
    assert isinstance(decision, Reject)
    assert decision.reply.code == 550


def test_a_denied_domain_stays_denied(tmp_path: Path) -> None:
    bench = _bench(tmp_path)
    bench.decide()
    _decide(bench, "denied")
    bench.clock.now += 30 * 86_400
    assert isinstance(bench.decide(), Reject)


@pytest.mark.parametrize(("hours", "held"), [(3.99, True), (4, False)])
def test_a_domain_waits_no_longer_than_it_may(tmp_path: Path, hours: float, held: bool) -> None:
    bench = _bench(tmp_path, before="holds: {for: 4h}")
    bench.decide()
    bench.open()
    bench.clock.now += hours * 3600
    assert isinstance(bench.decide(), Hold) is held


def test_a_worse_sender_does_not_pass_by_the_name_that_it_greets_with(tmp_path: Path) -> None:
    decision = _bench(tmp_path).decide(sender=parse("nobody"))
    assert isinstance(decision, Hold)
    assert decision.domain == "[192.0.2.0/24]"


def _say(bench: Bench, kind: str, value: str, verdict: str) -> None:
    word = Word(kind, value, verdict, "carol", "", bench.clock.now)
    asyncio.run(bench.tools.store.holds.say(word))


def test_a_domain_that_was_approved_ahead_is_not_held(tmp_path: Path) -> None:
    bench = _bench(tmp_path)
    _say(bench, "domain", "example.net", "approved")
    assert bench.decide() == Continue()
    assert _tickets(bench) == ()


def test_a_forged_address_that_was_approved_is_held(tmp_path: Path) -> None:
    bench = _bench(tmp_path)
    _say(bench, "address", "alice@example.net", "approved")
    assert isinstance(bench.decide(), Hold)


def test_a_domain_that_does_not_exist_waits_without_a_ticket(tmp_path: Path) -> None:
    async def asked() -> Finding:
        await sender_domain(mail_at(Stage.MAIL), bench.case.tools)
        return HIT

    bench = _bench(tmp_path, rule("other", "{score: 1}", "look-up"), NEW)
    bench.finds["other"] = asked
    judgement = bench.judge()
    assert isinstance(judgement.decision, Hold)
    assert str(judgement.decision.reply).endswith(f"We do not know example.net yet. [{judgement.trace}]")
    assert of(judgement, "new").skipped == "no ticket: there is no domain example.net"
    assert _tickets(bench) == ()


def test_a_network_opens_few_tickets_an_hour(tmp_path: Path) -> None:
    bench = _bench(tmp_path)
    for number in range(30):
        bench.open()
        facts = {"client_address": ip_address(f"192.0.2.{number}"), "sender": parse(f"a@d{number}.example")}
        assert isinstance(bench.decide(**facts), Hold)
    assert len(_tickets(bench)) == 20
    bench.open()
    elsewhere = {"client_address": ip_address("198.51.100.1"), "sender": parse("a@new.example")}
    assert "(ticket " in str(bench.judge(**elsewhere).decision)
    bench.open()
    assert "(ticket " in str(bench.judge(sender=parse("a@d3.example")).decision)
    bench.clock.now += 3_700
    bench.open()
    assert "(ticket " in str(bench.judge(sender=parse("a@d29.example")).decision)


@pytest.mark.parametrize(("since", "over"), [(0, False), (-3.9, False), (-4, True), (0.01, False), (1, True)])
def test_a_ticket_from_the_future_is_over(since: float, over: bool) -> None:
    ticket = Ticket("t1", "example.net", "waiting", 0, 0, 1, "", since=1e9 + since * 3_600)
    assert HoldPolicy(seconds=4 * 3_600).is_over(ticket, 1e9) is over


class _Down(MemoryStore):
    """A store whose tickets cannot be read."""

    def __init__(self, meet: Any) -> None:
        super().__init__()
        self.holds.meet = meet  # type: ignore[method-assign]  # the fault under test


def test_a_store_that_is_down_does_not_hold_mail_up(tmp_path: Path) -> None:
    async def down(*_: object, **__: object) -> Ticket:
        raise StoreDown("disk full")

    judgement = _bench(tmp_path, store=_Down(down)).judge()
    assert judgement.decision == Continue()
    assert of(judgement, "new").skipped == "store: disk full"


def test_a_store_that_hangs_does_not_hold_mail_up(tmp_path: Path) -> None:
    async def hang(*_: object, **__: object) -> Ticket:
        await asyncio.Event().wait()
        raise AssertionError

    judgement = _bench(tmp_path, store=_Down(hang)).judge(within=0.01)
    assert judgement.decision == Continue()
    assert of(judgement, "new").skipped.startswith("no answer within")


def test_a_store_that_answers_late_enough_to_wait_for_still_holds(tmp_path: Path) -> None:
    ticket = Ticket("t1", "example.net", "waiting", 1_800_000_000.0, 0, 1, "", since=1_800_000_000.0)

    async def slow(*_: object, **__: object) -> Ticket:
        await asyncio.sleep(0)
        return ticket

    assert isinstance(_bench(tmp_path, store=_Down(slow)).decide(), Hold)


def test_a_slow_dns_of_the_sender_leaves_time_to_hold_it(tmp_path: Path) -> None:
    async def never() -> Any:
        await asyncio.Event().wait()

    ticket = Ticket("t1", "example.net", "waiting", 1_800_000_000.0, 0, 1, "", since=1_800_000_000.0)

    async def slow(*_: object, **__: object) -> Ticket:
        await asyncio.sleep(0.01)
        return ticket

    bench = _bench(tmp_path, rule("other", "{score: 1}", "look-up"), NEW, store=_Down(slow))
    bench.finds["other"] = never
    bench.clock.monotonic = time.monotonic  # type: ignore[method-assign]  # time passes here
    judgement = bench.judge(within=0.5)
    assert of(judgement, "other").finding == Unsure("no answer within 0.4 s")
    assert isinstance(judgement.decision, Hold)


def test_a_shadow_hold_opens_no_ticket(tmp_path: Path) -> None:
    bench = _bench(tmp_path, rule("new", "hold", mode="shadow"))
    judgement = bench.judge()
    assert judgement.decision == Continue()
    assert isinstance(judgement.would, Hold)
    assert _tickets(bench) == ()


def test_an_approved_domain_would_not_be_held_either(tmp_path: Path) -> None:
    bench = _bench(tmp_path, NEW, rule("other", "{score: 1}", mode="shadow"))
    bench.decide()
    _decide(bench, "approved")
    assert bench.judge().would is None


def test_a_shadow_rule_beside_a_hold_changes_nothing(tmp_path: Path) -> None:
    bench = _bench(tmp_path, NEW, rule("other", "{score: 1}", mode="shadow"))
    assert bench.judge().would is None


def test_a_hold_waits_for_the_sender(tmp_path: Path) -> None:
    bench = _bench(tmp_path)
    assert bench.decide(Stage.CONNECT) == Continue()
    assert isinstance(bench.decide(Stage.MAIL), Hold)


@pytest.mark.parametrize(
    ("sender", "helo", "ptr", "domain"),
    [
        (parse("a@mail.example.co.uk"), "x", "x", "example.co.uk"),
        (parse("a@EXAMPLE.net"), "x", "x", "example.net"),
        (NULL, "mx1.Example.com", "unknown", "example.com"),
        (NULL, "localhost", "host.example.com", "example.com"),
        (NULL, "[192.0.2.1]", "host.example.com", "example.com"),
        (parse("a@[192.0.2.1]"), "mx.example.com", "unknown", "[192.0.2.0/24]"),
        (parse("nobody"), "mx.example.com", "unknown", "[192.0.2.0/24]"),
        (NULL, "localhost", "unknown", ""),
    ],
)
def test_the_domain_that_a_ticket_is_about(sender: Any, helo: str, ptr: str, domain: str) -> None:
    mail = mail_at(Stage.MAIL, sender=sender, helo_name=helo, reverse_client_name=ptr)
    assert domain_of(mail) == domain


def test_what_has_no_domain_is_not_held(tmp_path: Path) -> None:
    judgement = _bench(tmp_path).judge(sender=NULL, helo_name="x", reverse_client_name="unknown")
    assert judgement.decision == Continue()
    assert of(judgement, "new").skipped == "no domain to hold"
