"""The steady reading is told as it was."""

from contextlib import nullcontext
from ipaddress import ip_address
from pathlib import Path

import pytest
from lab.bench import everything
from lab.bench.__main__ import arguments
from lab.bench.contender import Contender, Running
from lab.bench.steady import Steady, Stretch, table

from postward.networks.table import read_table

CONTENDER = Contender("ours", "ours", lambda home: nullcontext(Running("unix:/s", ())), "mixed")
READING = Steady(
    CONTENDER, 1000, 600, 599_990, 0.2, 0.5, 4.25, 9.0, 31.5, 120, 10, 0.125,
    {"DUNNO": 500_000, "450": 99_990}, (Stretch(60, 4.0, 20.0, 80.04), Stretch(120, 4.5, 31.5, 81.0)),
)  # fmt: skip


def test_the_row_has_the_percentiles_and_what_is_missing() -> None:
    cells = [cell.strip() for cell in table([READING]).splitlines()[2].split("|")[1:-1]]
    assert cells == [
        "ours",
        "1,000",
        "600",
        "0.20",
        "0.50",
        "4.25",
        "9.00",
        "31.50",
        "120",
        "10",
        "12%",
        "81.0",
    ]


def test_each_minute_is_told() -> None:
    assert "60 s 4.00 ms 80.0 MB, 120 s 4.50 ms 81.0 MB" in table([READING])


def test_the_answers_are_told() -> None:
    assert "450 16.7%, DUNNO 83.3%" in table([READING])


def test_without_a_name_it_is_everything_that_is_read() -> None:
    assert arguments(["policy", "--steady", "1000"]).only == "postward (everything)"


def test_there_is_no_steady_milter() -> None:
    with pytest.raises(SystemExit):
        arguments(["milter", "--steady", "1000"])


def test_the_database_of_networks_is_one_that_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(everything, "RANGES", 100)
    everything.write_networks(tmp_path / "asn.csv")
    with (tmp_path / "asn.csv").open() as text:
        networks = read_table(text, "asn.csv")
    found = networks.find(ip_address("1.0.33.1"))
    assert found is not None and found.asn == 1001
