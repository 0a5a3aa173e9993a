"""What was found about a client serves its next messages for some seconds."""

import ipaddress
from pathlib import Path

import pytest

from postward.address import parse
from postward.decision import Continue, Reject
from postward.finding import CLEAR, Unsure
from postward.rules import clients
from postward.rules.clients import Client, Clients
from postward.stage import Stage
from tests.rules.judging import HIT, Bench, mail_at, rule, rules

ABOUT_CLIENT = "client_address, helo_name"


def _bench(directory: Path, reads: str = ABOUT_CLIENT, check: str = "look-up") -> Bench:
    return Bench(directory, rules(rule("a", "reject", check, reads=reads)))  # type: ignore[arg-type]  # a parameter


def test_the_next_message_of_a_client_asks_nothing(tmp_path: Path) -> None:
    bench = _bench(tmp_path)
    bench.finds["a"] = HIT
    bench.judge()
    bench.open()
    assert isinstance(bench.decide(), Reject)
    assert bench.asked == ["a"]


def test_after_some_seconds_it_is_asked_again(tmp_path: Path) -> None:
    bench = _bench(tmp_path)
    bench.finds["a"] = HIT
    bench.judge()
    bench.clock.now += clients.FOR
    bench.finds["a"] = CLEAR
    bench.open()
    assert isinstance(bench.decide(), Continue)


@pytest.mark.parametrize(
    "facts",
    [
        {"client_address": ipaddress.ip_address("192.0.2.2")},
        {"helo_name": "other.example.net"},
        {"client_name": "unknown"},
        {"reverse_client_name": "other.example.net"},
    ],
)
def test_another_client_is_another_client(tmp_path: Path, facts: dict[str, object]) -> None:
    bench = _bench(tmp_path)
    bench.judge()
    bench.open()
    bench.judge(**facts)
    assert bench.asked == ["a", "a"]


@pytest.mark.parametrize(
    ("reads", "check"),
    [
        ("client_address, sender", "look-up"),
        ("recipient", "look-up"),
        (ABOUT_CLIENT, "recall"),
        (ABOUT_CLIENT, "stateful"),
    ],
)
def test_what_depends_on_more_is_asked_for_each_message(tmp_path: Path, reads: str, check: str) -> None:
    bench = _bench(tmp_path, reads, check)
    bench.judge()
    bench.open()
    bench.judge()
    assert bench.asked == ["a", "a"]


def test_who_could_not_be_told_about_is_asked_about_again(tmp_path: Path) -> None:
    bench = _bench(tmp_path)
    bench.finds["a"] = Unsure("no answer")
    bench.judge()
    bench.finds["a"] = HIT
    bench.open()
    assert isinstance(bench.decide(), Reject)


def test_doubt_about_a_client_that_is_known_is_not_kept_either(tmp_path: Path) -> None:
    lines = rule("first", "reject", reads="sender"), rule("a", "reject", "look-up", reads=ABOUT_CLIENT)
    bench = Bench(tmp_path, rules(*lines))
    bench.finds["first"] = HIT
    bench.judge()  # the client is known now, though nothing was looked up
    bench.finds.update(first=CLEAR, a=Unsure("no answer"))
    bench.open()
    bench.judge()
    bench.finds["a"] = HIT
    bench.open()
    assert isinstance(bench.decide(), Reject)


def test_within_one_message_it_is_not_asked_again(tmp_path: Path) -> None:
    bench = _bench(tmp_path)
    bench.finds["a"] = Unsure("no answer")
    bench.judge()
    bench.judge(Stage.DATA)
    assert bench.asked == ["a"]


def test_what_is_derived_is_shared_too(tmp_path: Path) -> None:
    bench = _bench(tmp_path)
    bench.judge()
    bench.case.tools.client["key"] = "derived"
    bench.open()
    bench.judge()
    assert bench.case.tools.client["key"] == "derived"


def test_only_so_many_clients_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "MOST", 2)
    held = Clients()
    mails = [mail_at(Stage.RCPT, helo_name=f"mx{number}.example.net") for number in range(3)]
    for mail in mails:
        held.keep(mail, Client(0.0))
    assert [held.meet(mail, 0.0).shared for mail in mails] == [False, True, True]


def test_who_has_logged_in_is_judged_otherwise_for_the_same_client(tmp_path: Path) -> None:
    lines = rule("a", "reject", "look-up", reads=ABOUT_CLIENT, unless="[authenticated]")
    bench = Bench(tmp_path, rules(lines))
    bench.finds["a"] = HIT
    for login, kind in (("", Reject), ("alice", Continue), ("", Reject), ("bob", Continue)):
        bench.open()
        assert isinstance(bench.decide(sasl_username=login), kind)
    assert bench.asked == ["a"]


def test_what_was_told_again_keeps_its_place(tmp_path: Path) -> None:
    lines = rule("b", "defer", reads="sender"), rule("a", "defer", reads=ABOUT_CLIENT)
    bench = Bench(tmp_path, rules(*lines))
    bench.finds.update(a=HIT, b=HIT)
    for _ in range(3):
        bench.open()
        assert bench.judge().by == "b"


# --- The sender's domain at a client ---------------------------------------------------------------
def _by_domain(directory: Path, *senders: str) -> list[str]:
    """What was asked, a hit each time, for mails of one client with these senders."""
    bench = _bench(directory, "client_address, sender", "by-domain")
    bench.finds["a"] = HIT
    for sender in senders:
        bench.open()
        assert isinstance(bench.decide(sender=parse(sender)), Reject)
    return bench.asked


def test_another_sender_of_the_domain_asks_nothing(tmp_path: Path) -> None:
    assert _by_domain(tmp_path, "a@example.net", "b@Example.NET") == ["a"]


def test_another_domain_is_asked_about(tmp_path: Path) -> None:
    assert _by_domain(tmp_path, "a@example.net", "a@mail.example.net", "<>") == ["a"] * 3


def test_what_is_no_domain_is_asked_about_each_time(tmp_path: Path) -> None:
    assert _by_domain(tmp_path, "a@b@", "a@b@") == ["a"] * 2


def test_a_client_of_many_domains_fills_no_memory(tmp_path: Path) -> None:
    many = [f"a@d{number}.example" for number in range(clients.MOST_DOMAINS + 2)]
    assert len(_by_domain(tmp_path, *many, many[0], many[-1])) == len(many) + 1


def test_doubt_about_a_domain_is_not_kept(tmp_path: Path) -> None:
    bench = _bench(tmp_path, "client_address, sender", "by-domain")
    bench.finds["a"] = Unsure("no answer")
    bench.judge()
    bench.finds["a"] = HIT
    bench.open()
    assert isinstance(bench.decide(), Reject)


def test_what_depends_on_the_local_part_is_not_kept(tmp_path: Path) -> None:
    bench = _bench(tmp_path, "client_address, sender", "by-domain")
    for _ in range(2):
        bench.open()
        bench.case.tools.personal = True
        bench.judge()
    assert bench.asked == ["a", "a"]


def test_what_was_derived_for_the_domain_is_at_hand_again(tmp_path: Path) -> None:
    bench = _bench(tmp_path, "client_address, sender", "by-domain")
    bench.judge()
    bench.case.tools.domain["spf"] = "derived"
    bench.open()
    bench.judge()
    assert bench.case.tools.domain["spf"] == "derived"
