"""Rounds, medians, the table and the JSON."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from lab.bench import report
from lab.bench.calm import busy_ticks, wait_for_calm
from lab.bench.contender import Absent, Contender, Reading, Row, Running
from lab.bench.rounds import measure

READING = Reading(rate=1000.0, cpu_us=12.34, p50_ms=0.5, p99_ms=2.0, pss_mb=30.0, done=5000, trouble=0)


@contextmanager
def nothing(home: Path) -> Iterator[Running]:
    yield Running("", ())


def contender(name: str) -> Contender:
    return Contender(name, "peer", nothing, "work")


def row(name: str, *rates: float) -> Row:
    return Row(contender(name), tuple(replace(READING, rate=rate) for rate in rates))


def calm() -> float:
    return 0.0


def test_contenders_are_read_in_turn() -> None:
    order: list[tuple[str, int]] = []

    def read(one: Contender, turn: int) -> Reading:
        order.append((one.name, turn))
        return READING

    measure([contender("a"), contender("b")], 2, read, lambda text: None, calm)
    assert order == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]


def test_an_absent_contender_is_skipped_with_a_word() -> None:
    said: list[str] = []

    def read(one: Contender, turn: int) -> Reading:
        if one.name == "a":
            raise Absent("a is not installed")
        return READING

    rows = measure([contender("a"), contender("b")], 3, read, said.append, calm)
    assert [len(one.readings) for one in rows] == [0, 3]
    assert sum("a is not installed" in text for text in said) == 1
    assert report.table(rows, "requests", "b", ()).splitlines()[-1] == "skipped: a: a is not installed"


def test_the_median_counts_not_the_mean() -> None:
    assert row("a", 10, 1000, 30).median("rate") == 30


def test_the_table() -> None:
    text = report.table(
        [row("limit", 4000), row("peer", 500, 400, 600), row("ours", 2000)], "requests", "limit", ("peer",)
    )
    assert text.splitlines() == [
        "| contender | requests/s | CPU us | p50 ms | p99 ms | PSS MB | of the limit | x peer |",
        "|-----------|-----------:|-------:|-------:|-------:|-------:|-------------:|-------:|",
        "| limit     |      4,000 |   12.3 |   0.50 |   2.00 |   30.0 |         100% |   8.00 |",
        "| peer      |        500 |   12.3 |   0.50 |   2.00 |   30.0 |          12% |   1.00 |",
        "| ours      |      2,000 |   12.3 |   0.50 |   2.00 |   30.0 |          50% |   4.00 |",
    ]


def test_a_ratio_to_a_peer_that_did_not_run_is_left_out() -> None:
    assert "x peer" not in report.table([row("limit", 4000)], "requests", "limit", ("peer",))


def test_trouble_is_told_below_the_table() -> None:
    rows = [Row(contender("a"), (replace(READING, trouble=2), replace(READING, trouble=1)))]
    assert report.table(rows, "requests", "a", ()).splitlines()[-1] == "a: 3 without an answer, or refused"


def test_disturbed_readings_are_told() -> None:
    rows = [Row(contender("a"), (replace(READING, others=1.5), READING))]
    last = report.table(rows, "requests", "a", ()).splitlines()[-1]
    assert last == "1 of 2 readings began while other programs were busy"


def test_the_json_holds_all_readings(tmp_path: Path) -> None:
    report.write_json(tmp_path / "f", "policy", [row("a", 1, 2, 3)], {"rounds": 3})
    document = json.loads((tmp_path / "f").read_text())
    assert [reading["rate"] for reading in document["rows"][0]["readings"]] == [1, 2, 3]
    assert document["rows"][0]["median"]["rate"] == 2
    assert document["settings"] == {"rounds": 3}


def test_busy_ticks_leave_out_idle_and_waiting() -> None:
    assert busy_ticks("cpu  100 20 3 5000 600 7 8 9 10 11\ncpu0 1 1 1 1\n") == 100 + 20 + 3 + 7 + 8 + 9


def test_it_waits_until_the_machine_is_quiet() -> None:
    looks = [2.0, 1.0, 0.1]
    assert wait_for_calm(60, lambda: looks.pop(0)) == 0.1
    assert looks == []


def test_it_does_not_wait_for_ever() -> None:
    assert wait_for_calm(0, lambda: 3.0) == 3.0
