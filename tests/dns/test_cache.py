"""The cache: times to live, bounds, and what a hit costs."""

from typing import Any

import pytest

from postward.dns.cache import MAX_NEGATIVE_TTL, MAX_TTL, MIN_TTL, TROUBLE_TTL, Cache
from postward.tools import Answer, NoData, NoName, Records, Trouble
from tests.pretend import Clock

KEY = (1, "a.example")


def test_what_was_put_is_got() -> None:
    cache = Cache(10, Clock().monotonic)
    cache.put(KEY, Records(("192.0.2.1",), 300))
    assert cache.get(KEY) == Records(("192.0.2.1",), 300)


def test_what_was_never_put_is_not_there() -> None:
    assert Cache(10, Clock().monotonic).get(KEY) is None


@pytest.mark.parametrize("answer", [Records(("x",), 100), NoName(100), NoData(100)])
def test_the_time_left_counts_down(answer: Answer[Any]) -> None:
    clock = Clock()
    cache = Cache(10, clock.monotonic)
    cache.put(KEY, answer)
    clock.pass_by(30.5)
    held = cache.get(KEY)
    assert type(held) is type(answer)
    assert not isinstance(held, Trouble)
    assert held is not None
    assert held.ttl == 69


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (Records(("x",), 300), 300),
        (Records(("x",), 0), MIN_TTL),
        (Records(("x",), 10**9), MAX_TTL),
        (NoName(0), MIN_TTL),
        (NoName(10**6), MAX_NEGATIVE_TTL),
        (NoData(60), 60),
        (Trouble("SERVFAIL"), TROUBLE_TTL),
    ],
)
def test_an_answer_is_kept_for_its_clamped_time(answer: Answer[Any], seconds: int) -> None:
    clock = Clock()
    cache = Cache(10, clock.monotonic)
    cache.put(KEY, answer)
    clock.pass_by(seconds - 0.1)
    assert cache.get(KEY) is not None
    clock.pass_by(0.2)
    assert cache.get(KEY) is None


def test_an_answer_that_is_over_leaves() -> None:
    clock = Clock()
    cache = Cache(10, clock.monotonic)
    cache.put(KEY, NoName(10))
    clock.pass_by(11)
    cache.get(KEY)
    assert len(cache) == 0


def test_the_least_recently_used_leaves_first() -> None:
    cache = Cache(2, Clock().monotonic)
    cache.put((1, "a"), NoName(60))
    cache.put((1, "b"), NoName(60))
    cache.get((1, "a"))
    cache.put((1, "c"), NoName(60))
    assert cache.get((1, "a")) is not None
    assert cache.get((1, "b")) is None


def test_large_answers_count_as_several() -> None:
    cache = Cache(40, Clock().monotonic)
    for number in range(10):
        cache.put((16, f"{number}.example"), Records(((b"x" * 255,) * 20,), 60))
    assert len(cache) == 3


def test_exchanges_weigh_what_their_names_do() -> None:
    cache = Cache(40, Clock().monotonic)
    for number in range(10):
        names = ((place, "a." * 120 + "example") for place in range(64))
        cache.put((15, f"{number}.example"), Records(tuple(names), 60))
    assert len(cache) == 0  # each weighs more than all may: 64 names of 247 octets are 22 kB


def test_putting_again_counts_once() -> None:
    cache = Cache(3, Clock().monotonic)
    for _ in range(10):
        cache.put(KEY, NoName(60))
    cache.put((1, "b"), NoName(60))
    assert cache.get(KEY) is not None
