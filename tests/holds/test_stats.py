"""How the holds go."""

from dataclasses import replace

from postward.holds.stats import stats
from postward.state import Ticket

DAY = 86_400.0
NOW = 20_000 * DAY + 3_600
ONE = Ticket("t1", "a.example", "waiting", NOW - 7_200, NOW, 1, "", clients=("192.0.2.1", "192.0.2.9"))
DECIDED = replace(ONE, verdict="approved", decided=NOW - 3_600, decided_by="carol")


def test_what_waits() -> None:
    told = stats([ONE, replace(ONE, opened=NOW - 3 * DAY), DECIDED], NOW)
    assert (told.waiting, told.oldest) == (2, 3 * DAY)


def test_nothing_at_all() -> None:
    told = stats([], NOW)
    assert (told.waiting, told.oldest, told.to_decision, told.networks) == (0, None, None, ())
    assert len(told.days) == 14


def test_who_decided() -> None:
    told = stats([DECIDED, replace(DECIDED, decided_by="deadline", verdict="denied", decided=NOW)], NOW)
    assert (told.by_people, told.by_deadline, told.approved, told.denied) == (1, 1, 1, 1)
    assert told.to_decision == 3_600  # the deadline is no measure of people


def test_by_day() -> None:
    told = stats([DECIDED, replace(ONE, opened=NOW - DAY)], NOW)
    today, yesterday, *_ = told.days
    assert (today.day, today.opened, today.decided) == (20_000 * 86_400, 0, 1)
    assert (yesterday.opened, yesterday.decided) == (2, 0)


def test_the_networks_behind_them() -> None:
    others = [replace(ONE, clients=("198.51.100.1",))] * 3
    assert stats([ONE, *others], NOW).networks == (("198.51.100.0/24", 3), ("192.0.2.0/24", 1))


def test_the_networks_of_ipv6_clients() -> None:
    six = replace(ONE, clients=("2001:db8::1", "2001:db8::2", "2001:db8:1::1"))
    assert stats([six], NOW).networks == (("2001:db8::/64", 1), ("2001:db8:1::/64", 1))
