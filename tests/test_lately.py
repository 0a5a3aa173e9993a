"""What happened lately: once in a while, up to a bound, in bounded memory."""

from postward import lately
from postward.lately import Lately


def test_the_first_time_in_a_while() -> None:
    held = Lately()
    asked = [held.first("word", "a", now=now, within=60) for now in (0.0, 59.0, 60.0, 61.0)]
    assert asked == [True, False, True, False]


def test_kinds_and_things_are_apart() -> None:
    held = Lately()
    assert all(held.first(kind, what, now=0.0, within=60) for kind in "xy" for what in "ab")


def test_there_is_room_up_to_a_bound() -> None:
    held = Lately()
    given = [held.room("points", "a", 3.0, most=4.0, now=now, within=60) for now in (0.0, 1.0, 2.0, 61.0)]
    assert given == [3.0, 1.0, 0.0, 3.0]


def test_a_flood_of_one_kind_pushes_out_its_own_first_ones_alone() -> None:
    held = Lately()
    held.first("quiet", 0, now=0.0, within=60)
    for what in range(lately.MOST + 1):
        held.first("flood", what, now=0.0, within=60)
    assert not held.first("quiet", 0, now=1.0, within=60)
    assert not held.first("flood", lately.MOST, now=1.0, within=60)
    assert held.first("flood", 0, now=1.0, within=60)


def test_what_begins_anew_is_not_the_next_to_be_forgotten() -> None:
    held = Lately()
    for what in range(lately.MOST):
        held.first("word", what, now=0.0, within=60)
    held.first("word", 0, now=60.0, within=60)
    held.first("word", "new", now=60.0, within=60)
    assert not held.first("word", 0, now=61.0, within=60)
