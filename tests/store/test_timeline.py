"""The store's own time under clocks that jump."""

from postward.store.timeline import Timeline

NOW = 1_800_000_000.0


class Steady:
    now = 5_000.0

    def __call__(self) -> float:
        return self.now


def test_it_begins_with_the_wall_clock() -> None:
    assert Timeline().at(NOW) == NOW


def test_without_a_steady_clock_it_follows_the_wall_clock_forward() -> None:
    line = Timeline()
    line.at(NOW)
    assert line.at(NOW + 100) == NOW + 100


def test_without_a_steady_clock_it_goes_on_from_a_step_back() -> None:
    line = Timeline()
    line.at(NOW)
    assert line.at(NOW - 7_200) == NOW
    assert line.at(NOW - 7_190) == NOW + 10


def test_slow_callers_do_not_drive_it() -> None:
    line = Timeline()
    for _ in range(1_000):
        line.at(NOW)
        line.at(NOW - 2)
    assert line.latest == NOW


def test_with_a_steady_clock_no_jump_moves_it() -> None:
    steady = Steady()
    line = Timeline(steady)
    line.at(NOW)
    steady.now += 1
    assert line.at(NOW + 10 * 365 * 86_400) == NOW + 1
    steady.now += 1
    assert line.at(NOW - 10 * 365 * 86_400) == NOW + 2


def test_it_goes_on_where_it_was_saved_plus_the_downtime() -> None:
    line = Timeline(Steady())
    line.resume(NOW + 500, NOW)
    assert line.at(NOW + 60) == NOW + 560


def test_a_downtime_is_never_negative() -> None:
    line = Timeline(Steady())
    line.resume(NOW, NOW)
    assert line.at(NOW - 3_600) == NOW
