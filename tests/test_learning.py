"""What is learned from mail: from whom, how often, and from whom never."""

import asyncio
import ipaddress
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from postward.address import parse
from postward.checks.dns_list import DnsList
from postward.daemon.config import RatingsSection
from postward.decision import CONTINUE, Accept, Decision, Defer, Discard, Hold, Quarantine, Reject, Reply
from postward.derive.identity import domain_of, host_of
from postward.finding import CLEAR, Hit
from postward.learning import Learner, about_recipients
from postward.mail import IPAddress, Mail
from postward.outcomes import Points
from postward.rules.judgement import Judged, Judgement
from postward.stage import Stage
from postward.state import Rating, Sighting, StoreDown
from postward.store.memory import MemoryStore
from postward.tools import Listing, Listings, Network, Tools
from tests.checks.entries import list_of
from tests.dns_zone import ZoneDns
from tests.house import build
from tests.pretend import Clock, look, tools

T = TypeVar("T")
ZONE = """
1.2.0.192.in-addr.arpa. PTR mx.good.example.
mx.good.example.        A   192.0.2.1
pass.example.           TXT "v=spf1 ip4:192.0.2.2 -all"
"""
REPLY = Reply(550, "5.7.1", "no")
REJECT, DEFER, HOLD = Reject(REPLY), Defer(REPLY), Hold(REPLY, "a.example")
CLIENT, NETWORK, SYSTEM = "client:192.0.2.1", "network:192.0.2.0/24", "asn:64500"
LOOKED = Judged("no-name", "rdns", CLEAR, "", 0.0, "enforce", 0.0)
DAY = 86_400


def _run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


@dataclass
class _Lists:
    """DNS lists that note the verdicts that they are told."""

    verdicts: list[bool] = field(default_factory=list)

    def asks(self, about: str) -> bool:
        return True

    async def look(self, about: str, what: object) -> Listings:
        return Listings((Listing("zen", "127.0.0.2", "SBL", 4.0), Listing("dnswl", "127.0.0.3", "hi", -1.0)))

    def verdict(self, listed: Listings, refused: bool) -> None:
        self.verdicts.append(refused)


class Map:
    """Implements `postward.tools.Networks`."""

    def find(self, address: IPAddress) -> Network | None:
        return Network(64500)


class Desk:
    """A learner, a store, and mails to learn from."""

    def __init__(
        self,
        points: Points | None = None,
        faultless: frozenset[str] = frozenset(),
        suspicious: float | None = None,
        counts_at: Stage = Stage.RCPT,
    ) -> None:
        self.clock = Clock()
        self.kit = tools(ZoneDns(ZONE), clock=self.clock, own_domains=frozenset({"example.org"}))
        self.kit.store = MemoryStore()
        self.kit.networks = Map()
        self.learner = Learner(points or Points(), faultless, suspicious=suspicious, counts_at=counts_at)

    def message(self) -> Tools:
        return self.kit.for_message()

    def learn(
        self,
        decision: Decision = CONTINUE,
        *,
        message: Tools | None = None,
        by: str = "some-rule",
        judged: tuple[Judged, ...] = (),
        stage: Stage = Stage.RCPT,
        looked_up: bool = True,
        score: float = 0.0,
        **facts: Any,
    ) -> None:
        """Judged so; all names were looked up before, unless told otherwise."""
        client = facts.get("client", "192.0.2.1")
        known = {
            "client_address": ipaddress.ip_address(client) if client else None,
            "helo_name": facts.get("helo", "x.example"),
            "sender": parse(facts.get("sender", "a@none.example")),
            "sasl_username": facts.get("login", ""),
        }
        if stage is Stage.RCPT:
            known["recipient"] = parse(facts.get("recipient", "bob@example.org"))
        mail, kit = Mail(stage, known), message or self.message()
        if looked_up:
            _run(host_of(mail, kit))
            _run(domain_of(mail, kit))
            judged = (*judged, LOOKED)
        self.learner.learn(mail, Judgement("t", stage, decision, by, score, judged), kit)

    def seen(self, key: str) -> Sighting | None:
        return _run(self.kit.store.seen.find(key, now=self.clock.wall()))

    def points(self, key: str = CLIENT) -> float | None:
        (rating,) = _run(self.kit.store.ratings.read((key,), now=self.clock.wall()))
        return rating.points if rating is not None else None

    def clients(self, count: int, decision: Decision, **facts: Any) -> None:
        """One mail each of so many clients of the network."""
        for number in range(count):
            self.learn(decision, client=f"192.0.2.{100 + number}", looked_up=False, **facts)

    def samples(self) -> float:
        (rating,) = _run(self.kit.store.ratings.read((CLIENT,), now=self.clock.wall()))
        return rating.samples if rating is not None else 0.0


def _hit(rule: str, rate: float = 0.0, remember: tuple[str, float] | None = None) -> Judged:
    return Judged(rule, "list", Hit("listed"), "score", 1.0, "enforce", 0.0, "", rate, remember)


# --- Correspondents -------------------------------------------------------------------------------
PAIR = "correspondent bob@example.net|alice@example.org"
OUT: dict[str, Any] = {"sender": "Alice+x@example.org", "recipient": "Bob@example.net"}


@pytest.mark.parametrize("who", [{"login": "alice"}, {"client": "10.0.0.5"}, {"client": None}])
def test_whom_our_users_write_to_is_remembered(who: dict[str, Any]) -> None:
    desk = Desk()
    desk.learn(**OUT, **who)
    assert desk.seen(PAIR)
    assert desk.seen("correspondent-any bob@example.net")


def test_it_is_remembered_for_400_days() -> None:
    desk = Desk()
    desk.learn(**OUT, login="alice")
    desk.clock.pass_by(399 * 86_400)
    assert desk.seen(PAIR)
    desk.clock.pass_by(2 * 86_400)
    assert desk.seen(PAIR) is None


@pytest.mark.parametrize(
    "facts",
    [
        {**OUT},  # anybody could write this sender
        {**OUT, "login": "alice", "decision": REJECT},
        {**OUT, "login": "alice", "decision": DEFER},
        {**OUT, "login": "alice", "sender": ""},
        {**OUT, "client": "10.0.0.5", "sender": "spammer@example.com"},  # handed on by a relay of ours
    ],
)
def test_nobody_else_makes_correspondents(facts: dict[str, Any]) -> None:
    desk = Desk()
    desk.learn(**facts)
    assert desk.seen("correspondent-any bob@example.net") is None


def test_among_ourselves_there_are_no_correspondents() -> None:
    desk = Desk()
    desk.learn(login="alice", sender="alice@example.org", recipient="carol@example.org")
    assert desk.seen("correspondent-any carol@example.org") is None


def test_each_recipient_of_a_message_is_learned_once() -> None:
    desk = Desk()
    message = desk.message()
    for recipient in ("bob@example.net", "dan@example.net", "bob@example.net"):
        desk.learn(message=message, login="alice", sender="alice@example.org", recipient=recipient)
    for name in ("bob", "dan"):
        found = desk.seen(f"correspondent-any {name}@example.net")
        assert found
        assert found.times == 1


# --- Known domains --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("client", "sender", "domain"),
    [
        ("192.0.2.1", "a@news.good.example", "good.example"),  # from a host of its own
        ("192.0.2.2", "a@pass.example", "pass.example"),  # SPF
    ],
)
def test_the_domain_of_mail_that_goes_on_is_known(client: str, sender: str, domain: str) -> None:
    desk = Desk()
    desk.learn(client=client, sender=sender)
    assert desk.seen(f"domain {domain}")


@pytest.mark.parametrize("decision", [REJECT, DEFER, HOLD, Discard("x"), Quarantine("x")])
def test_mail_that_does_not_go_on_makes_no_domain_known(decision: Decision) -> None:
    desk = Desk()
    desk.learn(decision, sender="a@good.example")
    assert desk.seen("domain good.example") is None


@pytest.mark.parametrize(
    "facts",
    [
        {"sender": "a@pass.example"},  # SPF fails for this client
        {"sender": "a@none.example"},
        {"sender": "a@good.example", "looked_up": False},
        {"sender": "a@good.example", "stage": Stage.MAIL},
    ],
)
def test_what_nobody_vouches_for_makes_no_domain_known(facts: dict[str, Any]) -> None:
    desk = Desk()
    desk.learn(**facts)
    assert _run(desk.kit.store.seen.rows("domain", now=desk.clock.wall())) == ()


@pytest.mark.parametrize(("score", "known"), [(1.9, True), (2.0, False), (5.0, False)])
def test_suspicious_mail_makes_no_domain_known(score: float, known: bool) -> None:
    desk = Desk(suspicious=2.0)
    desk.learn(score=score, sender="a@good.example")
    assert (desk.seen("domain good.example") is not None) is known


def test_another_recipient_of_the_message_may_make_it_known() -> None:
    desk = Desk(suspicious=2.0)
    message = desk.message()
    desk.learn(message=message, score=3.0, sender="a@good.example")
    desk.learn(message=message, score=1.0, sender="a@good.example")
    assert desk.seen("domain good.example")


def test_the_domain_that_our_user_writes_to_is_no_new_one() -> None:
    desk = Desk()
    desk.learn(login="alice", sender="alice@example.org", recipient="bob@mail.far.example")
    assert desk.seen("domain far.example")


@pytest.mark.parametrize(
    "facts",
    [
        {"client": "10.0.0.5", "recipient": "bob@far.example"},  # an auto-reply could do it
        {"login": "alice", "recipient": "bob@[192.0.2.1]"},
        {"login": "alice", "recipient": "bob@far.example", "decision": REJECT},
    ],
)
def test_less_makes_no_domain_known(facts: dict[str, Any]) -> None:
    desk = Desk()
    desk.learn(sender="alice@example.org", **facts)
    assert _run(desk.kit.store.seen.rows("domain", now=desk.clock.wall())) == ()


# --- Ratings --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("decision", "points"),
    [(CONTINUE, 0.2), (REJECT, -1.0), (DEFER, None), (HOLD, None), (Accept("allow-client"), None)],
)
def test_what_becomes_of_a_mail_is_rated(decision: Decision, points: float | None) -> None:
    desk = Desk()
    desk.learn(decision)
    assert desk.points() == points


def test_all_that_is_known_of_who_knocks_is_rated() -> None:
    desk = Desk()
    desk.learn(REJECT, sender="a@good.example")
    keys = (CLIENT, NETWORK, "host:good.example", "domain:good.example")
    assert [desk.points(key) for key in keys] == [-1.0, -0.25, -1.0, -1.0]


def test_a_forged_sender_is_not_rated() -> None:
    desk = Desk()
    desk.learn(REJECT, sender="a@pass.example")
    assert desk.points("domain:pass.example") is None


def test_a_message_is_rated_once_however_many_its_recipients_are() -> None:
    desk = Desk()
    message = desk.message()
    for number in range(50):
        desk.learn(message=message, recipient=f"u{number}@example.org")
    assert desk.points() == pytest.approx(0.2)
    desk.learn(REJECT, message=message, recipient="other@example.org")
    desk.learn(REJECT, message=message, recipient="other@example.org")
    assert desk.points() == pytest.approx(-0.8)


def test_good_mail_is_a_merit_once_a_minute_whatever_the_client_calls_itself() -> None:
    desk = Desk()
    for number in range(300):
        desk.learn(sender="a@good.example", helo=f"h{number}.good.example")
    assert desk.points() == pytest.approx(0.2)
    desk.clock.pass_by(61)
    desk.learn(sender="a@good.example")
    assert desk.points() == pytest.approx(0.4, abs=0.001)


def test_each_refusal_is_a_fault() -> None:
    desk = Desk()
    for _ in range(10):
        desk.learn(REJECT)
    assert desk.points() == pytest.approx(-10)


@pytest.mark.parametrize("accepted", [0.2, 6.0, 50.0])
def test_good_mail_lifts_no_rating_above_ten(accepted: float) -> None:
    desk = Desk(Points(accepted=accepted))
    for _ in range(100):
        desk.learn(sender="a@good.example")
        desk.clock.pass_by(61)
    assert 9.5 < (desk.points() or 0) <= 10


def test_what_others_found_good_stays_above_ten() -> None:
    desk = Desk(Points(ham=15))
    desk.learner.outcome((CLIENT,), "ham", tools=desk.kit, reason="")
    desk.learn()
    assert desk.points() == 15


def test_a_store_that_does_not_answer_gives_no_merit() -> None:
    async def down(keys: tuple[str, ...], *, now: float) -> tuple[Rating | None, ...]:
        raise StoreDown("disk full")

    desk = Desk()
    read = desk.kit.store.ratings.read
    desk.kit.store.ratings.read = down  # type: ignore[method-assign]  # the fault under test
    desk.learn()
    desk.kit.store.ratings.read = read  # type: ignore[method-assign]  # as above
    assert desk.points() is None


def test_merit_never_waits() -> None:
    async def slow(keys: tuple[str, ...], *, now: float) -> tuple[Rating | None, ...]:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async def run() -> None:
        desk = Desk()
        read = desk.kit.store.ratings.read
        desk.kit.store.ratings.read = slow  # type: ignore[method-assign]  # the fault under test
        mail = Mail(
            Stage.RCPT,
            {
                "client_address": ipaddress.ip_address("192.0.2.1"),
                "sender": parse("a@b.example"),
                "recipient": parse("bob@example.org"),
            },
        )
        desk.learner.learn(mail, Judgement("t", Stage.RCPT, CONTINUE, "", 0.0, ()), desk.message())
        assert await read((CLIENT,), now=desk.clock.wall()) == (None,)

    _run(run())


def test_mail_counts_when_data_is_asked_about() -> None:
    desk = Desk(counts_at=Stage.DATA)
    message = desk.message()
    desk.learn(message=message, sender="a@good.example")
    assert desk.points() is None
    assert desk.seen("domain good.example") is None
    for stage in (Stage.DATA, Stage.EOM):
        desk.learn(message=message, sender="a@good.example", stage=stage)
    assert desk.points() == pytest.approx(0.2)
    assert desk.seen("domain good.example")


@pytest.mark.parametrize("decision", [Discard("x"), Quarantine("x")])
def test_what_was_caught_at_rcpt_has_not_come_in_at_data(decision: Decision) -> None:
    desk = Desk(counts_at=Stage.DATA)
    message = desk.message()
    desk.learn(decision, message=message, sender="a@good.example")
    desk.learn(message=message, sender="a@good.example", stage=Stage.DATA)
    assert desk.points() is None
    assert desk.seen("domain good.example") is None


def test_what_an_admin_lets_in_is_no_merit_at_data_either() -> None:
    desk = Desk(counts_at=Stage.DATA)
    message = desk.message()
    desk.learn(Accept("allow-client"), message=message, sender="a@good.example")
    desk.learn(message=message, sender="a@good.example", stage=Stage.DATA)
    assert desk.points() is None
    assert desk.seen("domain good.example")


# --- Whose rating ---------------------------------------------------------------------------------
@pytest.mark.parametrize("rate", [-8.0, -1.0])
def test_one_client_spoils_neither_its_network_nor_its_system(rate: float) -> None:
    desk = Desk(Points(rejected=0.0))
    for _ in range(600):
        desk.learn(REJECT, judged=(_hit("trap", rate),), sender="a@good.example")
    assert desk.points() == -100
    assert desk.points(NETWORK) == pytest.approx(-1)
    assert desk.points(SYSTEM) == pytest.approx(-0.2)
    assert desk.points("host:good.example") == pytest.approx(-4)
    assert desk.points("domain:good.example") == pytest.approx(-4)


def test_nor_in_months() -> None:
    desk = Desk()
    for _ in range(300):
        desk.learn(REJECT, judged=(_hit("trap", -8.0),))
        desk.clock.pass_by(DAY)
    assert -4 < (desk.points(NETWORK) or 0) < -2


def test_many_clients_of_a_network_answer_for_it() -> None:
    desk = Desk()
    desk.clients(20, REJECT, judged=(_hit("trap", -8.0),))
    assert desk.points(NETWORK) == pytest.approx(-20)
    assert desk.points(SYSTEM) == pytest.approx(-4)


def test_a_clients_good_and_bad_shares_are_counted_apart() -> None:
    desk = Desk(Points(accepted=4))
    desk.learn()
    desk.learn(REJECT, judged=(_hit("trap", -8.0),))
    assert desk.points(NETWORK) == pytest.approx(0)


@pytest.mark.parametrize("how", ["a list", "a large provider"])
def test_who_sends_for_everybody_is_not_rated_by_name(how: str) -> None:
    desk = Desk()
    domain = "google.com" if how == "a large provider" else "good.example"
    desk.kit.dns = ZoneDns(f"1.2.0.192.in-addr.arpa. PTR mx.{domain}.\nmx.{domain}. A 192.0.2.1\n")
    if how == "a list":
        desk.kit.lists = {"freemail": list_of("good.example")}
    desk.learn(REJECT, sender=f"a@{domain}")
    assert desk.points() == -1
    assert (desk.points(f"host:{domain}"), desk.points(f"domain:{domain}")) == (None, None)


def test_what_another_message_has_looked_up_is_no_luck_of_this_one() -> None:
    desk = Desk()
    first, second = desk.message(), desk.message()
    second.client = first.client  # as the rules share it between messages of a client
    desk.learn(message=first, sender="a@good.example")
    desk.learn(REJECT, message=second, sender="a@good.example", looked_up=False)
    assert desk.points("host:good.example") == pytest.approx(0.2)


def test_a_client_of_ipv6_is_its_64_bits() -> None:
    desk = Desk()
    for number in range(3):
        desk.learn(REJECT, client=f"2001:db8::{number}", judged=(_hit("trap", -8.0, ("trapped", 100.0)),))
    assert desk.points("client:2001:db8::/64") == -27
    assert desk.points("network:2001:db8::/64") == pytest.approx(-1)
    found = desk.seen("listed trapped|2001:db8::/64")
    assert found
    assert found.times == 3


def test_a_refusal_after_rcpt_is_rated() -> None:
    desk = Desk()
    desk.learn(REJECT, stage=Stage.DATA)
    assert desk.points() == -1.0


def test_going_on_counts_once() -> None:
    desk = Desk()
    message = desk.message()
    desk.learn(message=message)
    desk.clock.pass_by(600)
    desk.learn(message=message, stage=Stage.DATA)
    assert desk.samples() == pytest.approx(1, abs=0.01)


def test_what_a_rule_about_the_recipient_refuses_is_not_the_clients_fault() -> None:
    desk = Desk(faultless=frozenset({"deny-recipient"}))
    desk.learn(REJECT, by="deny-recipient")
    assert desk.points() is None
    desk.learn(REJECT, by="threshold reject")
    assert desk.points() == -1.0


@pytest.mark.parametrize("who", [{"login": "alice"}, {"client": "10.0.0.5"}, {"client": None}])
def test_our_own_people_are_not_rated_by_what_happens_to_their_mail(who: dict[str, Any]) -> None:
    desk = Desk()
    desk.learn(REJECT, **who)
    assert _run(desk.kit.store.ratings.rows(now=desk.clock.wall())) == ()


def test_the_points_are_the_sites_choice() -> None:
    desk = Desk(Points(accepted=0.5, rejected=0.0))
    desk.learn()
    desk.learn(REJECT)
    assert (desk.points(), desk.samples()) == (0.5, 1.0)


def test_the_sites_defaults_are_ours() -> None:
    assert Points(**RatingsSection().model_dump(exclude={"half_life"})) == Points()


def test_others_can_tell_outcomes_too() -> None:
    desk = Desk()
    desk.learner.outcome((CLIENT,), "virus", tools=desk.kit, reason="Eicar")
    assert desk.points() == -6.0


# --- What rules ask for ---------------------------------------------------------------------------
def test_a_rule_rates_once_a_message() -> None:
    desk = Desk()
    message = desk.message()
    for recipient in ("trap@example.org", "trap2@example.org"):
        desk.learn(DEFER, message=message, judged=(_hit("trap", -8.0),), recipient=recipient)
    assert desk.points() == -8.0
    (change,) = _run(desk.kit.store.ratings.history(CLIENT))
    assert change.reason == "rule trap"


def test_a_rule_puts_the_client_and_its_network_on_a_list() -> None:
    desk = Desk()
    desk.learn(DEFER, judged=(_hit("trap", remember=("trapped", 100.0)),))
    for what in ("192.0.2.1", "192.0.2.0/24"):
        found = desk.seen(f"listed trapped|{what}")
        assert found
        assert (found.value, found.times) == ("trap", 1)
    desk.clock.pass_by(101)
    assert desk.seen("listed trapped|192.0.2.1") is None


def test_a_rule_rates_a_login_and_nobody_beside_it() -> None:
    desk = Desk()
    desk.learn(DEFER, login="Alice", judged=(_hit("trap", -8.0, ("trapped", 100.0)),))
    assert desk.points("login:alice") == -8.0
    assert desk.points() is None
    assert desk.seen("listed trapped|192.0.2.1") is None


@pytest.mark.parametrize("who", [{"client": "10.0.0.5"}, {"decision": Accept("allow-client")}])
def test_rules_ask_nothing_of_whom_we_trust(who: dict[str, Any]) -> None:
    desk = Desk()
    desk.learn(judged=(_hit("trap", -8.0, ("trapped", 100.0)),), **who)
    assert _run(desk.kit.store.ratings.rows(now=desk.clock.wall())) == ()
    assert _run(desk.kit.store.seen.rows("listed", now=desk.clock.wall())) == ()


# --- DNS lists ------------------------------------------------------------------------------------
def _listed(desk: Desk) -> tuple[_Lists, Tools]:
    """A message whose client was looked up in DNS lists."""
    desk.kit.dns_lists = lists = _Lists()
    message = desk.message()
    mail = Mail(Stage.CONNECT, {"client_address": ipaddress.ip_address("192.0.2.1")})
    _run(look(DnsList("client"), mail, message))
    return lists, message


@pytest.mark.parametrize(("decision", "refused"), [(CONTINUE, False), (REJECT, True), (DEFER, False)])
def test_the_lists_hear_once_what_became_of_a_mail(decision: Decision, refused: bool) -> None:
    desk = Desk()
    lists, message = _listed(desk)
    for recipient in ("a@example.org", "b@example.org"):
        desk.learn(decision, message=message, recipient=recipient)
    assert lists.verdicts == [refused]


def test_who_is_on_a_block_list_is_rated() -> None:
    desk = Desk(Points(accepted=0.0))
    _, message = _listed(desk)
    desk.learn(message=message)
    assert desk.points() == -0.5


def test_mail_that_was_looked_up_nowhere_is_no_verdict() -> None:
    desk = Desk()
    lists, _ = _listed(desk)
    desk.learn()
    assert lists.verdicts == []


# --- Trouble --------------------------------------------------------------------------------------
def test_trouble_is_logged_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    del desk.kit.store.ratings  # the fault under test
    desk.learn()
    assert "nothing learned from a mail (trace t)" in caplog.text


def test_a_message_with_endless_recipients_fills_nothing() -> None:
    desk = Desk()
    message = desk.message()
    for number in range(2_500):
        desk.learn(
            message=message,
            login="a",
            sender="a@example.org",
            recipient=f"u{number}@example.net",
            looked_up=False,
        )
    rows = _run(desk.kit.store.seen.rows("correspondent-any", now=desk.clock.wall(), limit=5_000))
    assert len(rows) == 2_000


# --- With real rules ------------------------------------------------------------------------------
RULES = """\
shipped: off
rules:
  - {name: about-him, check: list, with: {match: recipient, list: traps}, then: reject}
  - {name: about-client, check: list, with: {match: client, list: traps}, then: reject}
overrides:
  - for: {recipient_domain: x.example}
    rules: {about-client: {then: {score: 1}}}
"""


def test_which_rules_are_about_recipients(tmp_path: Path) -> None:
    rules = build(tmp_path, RULES, {"traps": "entries: [trap@example.org]\n"}).house.rules
    assert about_recipients(rules) == {"about-him"}
