"""Windows: never more than the limit in any span, and the promised time is true."""

from hypothesis import given
from hypothesis import strategies as st

from postward.store.windows import TICKS, Account, Ring, account_from

Steps = st.lists(st.tuples(st.integers(0, 40 * TICKS), st.integers(1, 5)), min_size=1, max_size=60)


def book_if_room(ring: Ring, ticks: int, amount: int, limit: int) -> bool:
    if ticks >= ring.stale:
        ring.expire(ticks)
    if ring.used + amount > limit:
        return False
    ring.book(ticks, amount)
    return True


@given(Steps, st.integers(1, 90), st.integers(1, 12))
def test_no_span_of_the_windows_length_has_more_than_the_limit(
    steps: list[tuple[int, int]], seconds: int, limit: int
) -> None:
    ring, ticks, booked = Ring(seconds), 10**10, []
    for step, amount in steps:
        ticks += step
        if book_if_room(ring, ticks, amount, limit):
            booked.append((ticks, amount))
    for start, _ in booked:
        assert sum(amount for at, amount in booked if start <= at < start + seconds * TICKS) <= limit


@given(Steps, st.integers(1, 90), st.integers(5, 12))
def test_after_the_promised_time_there_is_room(
    steps: list[tuple[int, int]], seconds: int, limit: int
) -> None:
    ring, ticks = Ring(seconds), 10**10
    for step, amount in steps:
        ticks += step
        if not book_if_room(ring, ticks, amount, limit):
            wait = ring.free_in(ticks, ring.used + amount - limit)
            assert 0 < wait <= seconds * 61 / 60
            later = ticks + round(wait * TICKS)
            assert not book_if_room(ring, later - 1, amount, limit)
            assert book_if_room(ring, later, amount, limit)
            return


@given(Steps, st.integers(1, 90))
def test_used_is_the_sum_of_what_counts(steps: list[tuple[int, int]], seconds: int) -> None:
    ring, ticks = Ring(seconds), 10**10
    for step, amount in steps:
        ticks += step
        assert book_if_room(ring, ticks, amount, 100)
        assert ring.used == sum(ring.marks[1::2])


def test_what_is_unbooked_does_not_count() -> None:
    ring = Ring(60)
    ring.book(10**10, 3)
    ring.book(10**10 + 90, 4)
    ring.unbook(10**10, 3)
    assert ring.used == 4


def test_what_has_expired_is_not_unbooked() -> None:
    ring = Ring(60)
    ring.book(10**10, 3)
    ring.expire(10**10 + 70 * TICKS)
    ring.unbook(10**10, 3)
    assert ring.used == 0


def test_a_busy_ring_keeps_no_more_than_its_slices() -> None:
    ring = Ring(60)
    for ticks in range(10**10, 10**10 + 600 * TICKS):
        book_if_room(ring, ticks, 1, 10**9)
    assert len(ring.marks) <= 2 * 61


def test_stored_slices_from_the_future_count_from_now() -> None:
    account = account_from([(60, 10**9, 5)], 600)
    assert account.ring(60).marks == [10, 5]


def test_an_account_has_one_ring_for_each_length() -> None:
    account = Account()
    assert account.ring(60) is account.ring(60)
    assert account.ring(60) is not account.ring(3600)
