"""What holds must do in every store: tickets, a person's decisions, a person's words."""

import asyncio
from dataclasses import replace

import pytest

from postward.eager import Ready, start
from postward.state import Ticket, TooManyWords, Word
from postward.store import tickets
from postward.store.factory import OpenStore

NOW = 1_800_000_000.0
KNOCK = {"client": "192.0.2.1", "helo": "mx.example.org"}
WORD = Word("domain", "example.org", "approved", "root", "asked them", NOW)


async def meet(
    store: OpenStore,
    domain: str = "example.org",
    after: float = 0,
    evidence: str = "",
    knock: dict[str, str] | None = None,
) -> Ticket:
    return await store.holds.meet(domain, now=NOW + after, evidence=evidence, knock=knock or {})


async def found(store: OpenStore, domain: str = "example.org") -> Ticket:
    ticket = await store.holds.find(domain)
    assert ticket is not None
    return ticket


async def words(store: OpenStore, *keys: tuple[str, str], after: float = 0) -> list[str]:
    """The verdicts that hold about `keys`."""
    return [word.verdict for word in await store.holds.words(keys, now=NOW + after)]


# --- Tickets -------------------------------------------------------------------------------------
def test_a_new_domain_waits(store: OpenStore) -> None:
    async def run() -> None:
        ticket = await meet(store, "Example.ORG", evidence="card")
        assert (ticket.domain, ticket.verdict, ticket.opened) == ("example.org", "waiting", NOW)
        assert (ticket.attempts, ticket.evidence) == (1, "card")

    asyncio.run(run())


def test_a_domain_that_waits_joins_its_ticket(store: OpenStore) -> None:
    async def run() -> None:
        first = await meet(store, "example.org", evidence="card")
        second = await meet(store, "example.org", 60, evidence="other")
        assert second.id == first.id
        assert (second.opened, second.last_seen, second.attempts) == (NOW, NOW + 60, 2)
        assert second.evidence == "card"

    asyncio.run(run())


def test_racing_meetings_open_one_ticket(store: OpenStore) -> None:
    async def run() -> None:
        met = await asyncio.gather(*[meet(store, "example.org") for _ in range(64)])
        assert len({each.id for each in met}) == 1
        assert max(each.attempts for each in met) == 64

    asyncio.run(run())


@pytest.mark.parametrize("verdict", ["approved", "denied"])
def test_a_decision_is_seen_at_the_next_meeting(store: OpenStore, verdict: str) -> None:
    async def run() -> None:
        ticket = await meet(store, "example.org")
        decided = await store.holds.decide(ticket.id, verdict, now=NOW + 1, by="root", note="asked them")
        assert decided is not None
        met = await meet(store, "example.org", 2)
        assert (met.verdict, met.decided_by, met.note) == (verdict, "root", "asked them")

    asyncio.run(run())


def test_a_decision_about_no_ticket_is_none(store: OpenStore) -> None:
    assert asyncio.run(store.holds.decide("nothing", "approved", now=NOW, by="root", note="")) is None


def test_an_unknown_verdict_is_refused(store: OpenStore) -> None:
    with pytest.raises(ValueError, match="perhaps"):
        asyncio.run(store.holds.decide("nothing", "perhaps", now=NOW, by="root", note=""))


def test_a_ticket_is_found_by_id_and_by_domain(store: OpenStore) -> None:
    async def run() -> None:
        ticket = await meet(store, "example.org")
        assert await store.holds.find(ticket.id) == ticket
        assert await store.holds.find("EXAMPLE.org") == ticket
        assert await store.holds.find("example.com") is None

    asyncio.run(run())


def test_tickets_are_listed_newest_first(store: OpenStore) -> None:
    async def run() -> None:
        opened = [await meet(store, f"d{each}.example", each) for each in range(3)]
        await store.holds.decide(opened[1].id, "approved", now=NOW, by="root", note="")
        assert [each.domain for each in await store.holds.tickets()] == [
            "d2.example",
            "d1.example",
            "d0.example",
        ]
        assert [each.domain for each in await store.holds.tickets("waiting")] == ["d2.example", "d0.example"]
        assert [each.domain for each in await store.holds.tickets(limit=1)] == ["d2.example"]

    asyncio.run(run())


@pytest.mark.parametrize("text", ["\udcff\ud800", "a\0b", "x" * 100_000, "'; DROP TABLE tickets;--"])
def test_any_text_is_evidence_and_note(store: OpenStore, text: str) -> None:
    async def run() -> None:
        ticket = await meet(store, "example.org", evidence=text)
        assert await store.holds.decide(ticket.id, "denied", now=NOW, by=text, note=text) is not None
        assert await store.holds.find("example.org") is not None

    asyncio.run(run())


def test_who_knocked_first_stays_on_the_ticket(store: OpenStore) -> None:
    async def run() -> None:
        assert (await meet(store, knock=KNOCK)).knock == KNOCK
        again = await meet(store, knock={"client": "192.0.2.9", "helo": "other"})
        assert again.knock == KNOCK
        assert (await found(store)) == again

    asyncio.run(run())


def test_clients_of_one_domain_stand_on_one_ticket(store: OpenStore) -> None:
    async def run() -> None:
        for last in (1, 2, 1, 3):
            await meet(store, knock={"client": f"192.0.2.{last}"})
        assert (await found(store)).clients == ("192.0.2.1", "192.0.2.2", "192.0.2.3")

    asyncio.run(run())


def test_the_first_sixteen_clients_are_kept(store: OpenStore) -> None:
    async def run() -> None:
        for last in range(40):
            await meet(store, knock={"client": f"192.0.2.{last}"})
        assert (await found(store)).clients == tuple(f"192.0.2.{last}" for last in range(16))

    asyncio.run(run())


def test_a_decision_says_when_it_was_made(store: OpenStore) -> None:
    async def run() -> None:
        ticket = await meet(store)
        assert ticket.decided == 0.0
        await store.holds.decide(ticket.id, "denied", now=NOW + 60, by="root", note="")
        assert (await found(store)).decided == NOW + 60
        await store.holds.decide(ticket.id, "waiting", now=NOW + 90, by="root", note="")
        assert (await found(store)).decided == 0.0

    asyncio.run(run())


def test_a_card_is_kept_through_meetings_and_decisions(store: OpenStore) -> None:
    async def run() -> None:
        ticket = await meet(store)
        await store.holds.put_card(ticket.id, {"mx": "mx.example.org", "spf": "<script>"})
        await meet(store, after=60)
        await store.holds.decide(ticket.id, "approved", now=NOW, by="root", note="")
        assert (await found(store)).card == {"mx": "mx.example.org", "spf": "<script>"}

    asyncio.run(run())


def test_reminders_are_counted(store: OpenStore) -> None:
    async def run() -> None:
        ticket = await meet(store)
        for way, count in (("mail", 1), ("mail", 2), ("webhook", 1)):
            await store.holds.put_reminded(ticket.id, way, count)
        assert (await meet(store)).reminded == {"mail": 2, "webhook": 1}
        assert (await found(store)).reminded == {"mail": 2, "webhook": 1}

    asyncio.run(run())


def test_a_card_for_no_ticket_is_nothing(store: OpenStore) -> None:
    async def run() -> None:
        await store.holds.put_card("nothing", {"a": "b"})
        await store.holds.put_reminded("nothing", "mail", 1)
        await store.holds.put_due({"nothing": 1.0})
        assert await store.holds.tickets() == ()

    asyncio.run(run())


def test_knock_and_card_are_bounded(store: OpenStore) -> None:
    endless = {f"name {each} {'x' * 1_000}": "y" * 100_000 for each in range(1_000)}

    async def run() -> None:
        ticket = await meet(store, knock=endless)
        await store.holds.put_card(ticket.id, endless)
        held = await found(store)
        for texts in (held.knock, held.card):
            assert len(texts) <= 64
            assert all(len(name) <= 64 and len(value) <= 2_000 for name, value in texts.items())

    asyncio.run(run())


@pytest.mark.parametrize("text", ["\udcff\ud800", "a\0b", '"}{', "\u2028"])
def test_any_text_is_knock_and_card(store: OpenStore, text: str) -> None:
    async def run() -> None:
        ticket = await meet(store, knock={"client": text, text: text})
        await store.holds.put_card(ticket.id, {text: text})
        held = await found(store)
        assert len(held.knock) == 2
        assert len(held.card) == len(held.clients) == 1

    asyncio.run(run())


def test_of_two_who_decide_at_once_the_second_finds_it_decided(store: OpenStore) -> None:
    async def run() -> None:
        ticket = await meet(store)
        first, second = await asyncio.gather(
            *[
                store.holds.decide(ticket.id, verdict, now=NOW, by=verdict, note="", only_if="waiting")
                for verdict in ("approved", "denied")
            ]
        )
        assert first is not None
        assert second is None
        assert (await found(store)).verdict == "approved"

    asyncio.run(run())


def test_a_verdict_that_has_ended_lets_the_domain_wait_anew(store: OpenStore) -> None:
    async def run() -> None:
        ticket = await meet(store, evidence="old", knock=KNOCK)
        await store.holds.put_card(ticket.id, {"mx": "none"})
        await store.holds.put_reminded(ticket.id, "mail", 3)
        await store.holds.put_due({ticket.id: NOW + 86_400})
        await store.holds.decide(ticket.id, "denied", now=NOW, by="root", note="", until=NOW + 60)
        assert (await found(store)).until == NOW + 60
        assert (await meet(store, after=59.9)).verdict == "denied"
        again = await meet(store, after=60, evidence="new", knock={"client": "192.0.2.9"})
        assert again == Ticket(
            ticket.id, "example.org", "waiting", NOW + 60, NOW + 60, 1, "new",
            knock={"client": "192.0.2.9"}, clients=("192.0.2.9",), since=NOW + 60,
        )  # fmt: skip
        assert await found(store) == again
        assert await store.holds.due(now=NOW + 60, limit=10) == (again,)

    asyncio.run(run())


def test_a_ticket_that_waits_again_has_no_end(store: OpenStore) -> None:
    async def run() -> None:
        ticket = await meet(store)
        await store.holds.decide(ticket.id, "denied", now=NOW, by="root", note="", until=NOW + 60)
        await store.holds.decide(ticket.id, "waiting", now=NOW, by="root", note="", until=NOW + 60)
        assert (await meet(store, after=90)).opened == NOW

    asyncio.run(run())


# --- Whom the domain vouches for ------------------------------------------------------------------
async def vouched(store: OpenStore, client: str) -> Ticket:
    """An attempt of a client that the domain vouches for."""
    knock = {"client": client, "helo": f"mx-{client}"}
    return await store.holds.meet("example.org", now=NOW, evidence="good", knock=knock, verified=True)


def test_the_first_knock_may_be_a_forgers(store: OpenStore) -> None:
    async def run() -> None:
        forged = await meet(store, evidence="bad", knock={"client": "203.0.113.5"})
        await store.holds.put_card(forged.id, {"spf": "fail"})
        await store.holds.put_due({forged.id: NOW + 900})
        honest = await vouched(store, "192.0.2.1")
        assert (honest.id, honest.knock["client"], honest.evidence) == (forged.id, "192.0.2.1", "good")
        assert (honest.card, honest.verified) == ({}, ("192.0.2.1",))
        assert honest.clients == ("203.0.113.5", "192.0.2.1")
        assert await found(store) == honest
        assert await store.holds.due(now=NOW, limit=10) == (honest,)

    asyncio.run(run())


def test_the_first_vouched_for_stays(store: OpenStore) -> None:
    async def run() -> None:
        first = await vouched(store, "192.0.2.1")
        await store.holds.put_card(first.id, {"spf": "pass"})
        await meet(store, knock={"client": "203.0.113.5"})
        last = await vouched(store, "192.0.2.2")
        assert (last.knock, last.card) == (first.knock, {"spf": "pass"})
        assert last.verified == ("192.0.2.1", "192.0.2.2")
        assert await found(store) == last

    asyncio.run(run())


def test_strangers_do_not_fill_the_place_of_who_is_vouched_for(store: OpenStore) -> None:
    async def run() -> None:
        for last in range(40):
            await meet(store, knock={"client": f"203.0.113.{last}"})
        held = await vouched(store, "192.0.2.1")
        assert len(held.clients) == 16
        assert (held.clients[-1], held.verified) == ("192.0.2.1", ("192.0.2.1",))

    asyncio.run(run())


# --- When to look at tickets ----------------------------------------------------------------------
async def due(store: OpenStore, after: float = 0, limit: int = 10) -> list[str]:
    return [ticket.domain for ticket in await store.holds.due(now=NOW + after, limit=limit)]


def test_new_tickets_are_due_at_once_the_oldest_first(store: OpenStore) -> None:
    async def run() -> None:
        await meet(store, "b.example", 1)
        await meet(store, "a.example", 0)
        assert await due(store) == ["a.example", "b.example"]
        assert await due(store, limit=1) == ["a.example"]

    asyncio.run(run())


def test_a_ticket_is_due_when_it_was_said_the_most_overdue_first(store: OpenStore) -> None:
    async def run() -> None:
        a, b = await meet(store, "a.example"), await meet(store, "b.example")
        await store.holds.put_due({a.id: NOW + 60, b.id: NOW + 30})
        await meet(store, "b.example", 5)
        assert await due(store, 29) == []
        assert await due(store, 30) == ["b.example"]
        assert await due(store, 60) == ["b.example", "a.example"]

    asyncio.run(run())


def test_all_can_be_made_due(store: OpenStore) -> None:
    async def run() -> None:
        ticket = await meet(store)
        await store.holds.put_due({ticket.id: 2.0**62})
        assert await due(store, 1e9) == []
        await store.holds.put_all_due()
        assert await due(store) == ["example.org"]

    asyncio.run(run())


def test_only_what_waits_is_due(store: OpenStore) -> None:
    async def run() -> None:
        ticket = await meet(store)
        await store.holds.put_due({ticket.id: NOW + 60})
        await store.holds.decide(ticket.id, "denied", now=NOW, by="root", note="")
        assert await due(store, 90) == []
        await store.holds.decide(ticket.id, "waiting", now=NOW, by="root", note="")
        assert await due(store) == ["example.org"]

    asyncio.run(run())


# --- Words ---------------------------------------------------------------------------------------
def test_a_word_is_remembered(store: OpenStore) -> None:
    async def run() -> None:
        await store.holds.say(WORD)
        assert await store.holds.words((("domain", "example.org"),), now=NOW) == (WORD,)
        assert await words(store, ("domain", "example.com"), ("network", "example.org")) == []

    asyncio.run(run())


def test_words_come_in_the_order_of_the_question(store: OpenStore) -> None:
    async def run() -> None:
        await store.holds.say(WORD)
        await store.holds.say(replace(WORD, kind="client", value="192.0.2.1", verdict="denied"))
        about = ("client", "192.0.2.1"), ("network", "192.0.2.0/24"), ("domain", "example.org")
        assert await words(store, *about) == ["denied", "approved"]

    asyncio.run(run())


def test_a_later_word_takes_the_place_of_an_earlier_one(store: OpenStore) -> None:
    async def run() -> None:
        await store.holds.say(WORD)
        await store.holds.say(replace(WORD, value="Example.ORG", verdict="denied"))
        assert await words(store, ("domain", "EXAMPLE.org")) == ["denied"]
        assert len(await store.holds.all_words()) == 1

    asyncio.run(run())


def test_a_word_ends_when_its_time_is_over(store: OpenStore) -> None:
    async def run() -> None:
        await store.holds.say(replace(WORD, expires=NOW + 60))
        assert await words(store, ("domain", "example.org"), after=59) == ["approved"]
        assert await words(store, ("domain", "example.org"), after=60) == []

    asyncio.run(run())


def test_a_word_can_be_taken_back(store: OpenStore) -> None:
    async def run() -> None:
        await store.holds.say(WORD)
        assert await words(store, ("domain", "example.org")) == ["approved"]
        assert await store.holds.unsay("domain", "example.org")
        assert not await store.holds.unsay("domain", "example.org")
        assert await words(store, ("domain", "example.org")) == []

    asyncio.run(run())


def test_words_are_listed_newest_first(store: OpenStore) -> None:
    async def run() -> None:
        for each in range(3):
            await store.holds.say(replace(WORD, value=f"d{each}.example", at=NOW + each))
        listed = [word.value for word in await store.holds.all_words()]
        assert listed == ["d2.example", "d1.example", "d0.example"]
        assert len(await store.holds.all_words(limit=1)) == 1

    asyncio.run(run())


def test_words_are_asked_for_without_waiting(store: OpenStore) -> None:
    async def run() -> None:
        await store.holds.say(WORD)
        for _ in range(2):
            answer = start(store.holds.words((("domain", "example.org"),), now=NOW))
            assert isinstance(answer, Ready)
            assert answer.value == (WORD,)

    asyncio.run(run())


def test_a_word_keeps_the_clients_that_it_is_for(store: OpenStore) -> None:
    async def run() -> None:
        word = replace(WORD, clients=("192.0.2.1", "2001:db8::1"))
        await store.holds.say(word)
        assert await store.holds.all_words() == (word,)
        assert await store.holds.words((("domain", "example.org"),), now=NOW) == (word,)

    asyncio.run(run())


def test_a_word_says_which_ticket_it_was_about(store: OpenStore) -> None:
    async def run() -> None:
        await store.holds.say(replace(WORD, ticket="1a2b3c4d"))
        assert [word.ticket for word in await store.holds.all_words()] == ["1a2b3c4d"]

    asyncio.run(run())


def test_words_without_number_are_refused_but_each_can_be_changed(
    store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        monkeypatch.setattr(tickets, "MAX_WORDS", 2)
        for value in ("a.example", "b.example"):
            await store.holds.say(replace(WORD, value=value))
        with pytest.raises(TooManyWords, match="there are 2 words already"):
            await store.holds.say(replace(WORD, value="c.example"))
        await store.holds.say(replace(WORD, value="B.example", verdict="denied"))
        assert await words(store, ("domain", "b.example")) == ["denied"]
        await store.holds.unsay("domain", "a.example")
        await store.holds.say(replace(WORD, value="c.example"))

    asyncio.run(run())


@pytest.mark.parametrize("text", ["\udcff\ud800", "a\0b", "x" * 100_000])
def test_any_text_is_a_word(store: OpenStore, text: str) -> None:
    async def run() -> None:
        await store.holds.say(Word("domain", text, "denied", text, text, NOW))
        assert len(await store.holds.all_words()) == 1
        assert await store.holds.unsay("domain", text)

    asyncio.run(run())
