"""The resolver's zone holds for long, whatever it says."""

from pathlib import Path

import pytest
from lab.bench.resolver import HOLDS, make_lasting
from lab.dns import Dns


def test_answers_hold_and_that_there_is_none_too(tmp_path: Path) -> None:
    zone = Dns(tmp_path, "a.example. A 198.18.0.1\n").home / "root.zone"
    make_lasting(zone)
    lines = zone.read_text().splitlines()
    assert f"$TTL {HOLDS}" in lines
    assert next(line for line in lines if " SOA " in line).endswith(f" {HOLDS}")
    assert "a.example. A 198.18.0.1" in lines


def test_a_zone_without_an_soa_is_refused(tmp_path: Path) -> None:
    (tmp_path / "zone").write_text("$TTL 300\na.example. A 198.18.0.1\n")
    with pytest.raises(ValueError, match="no SOA"):
        make_lasting(tmp_path / "zone")
