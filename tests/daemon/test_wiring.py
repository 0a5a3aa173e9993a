"""Who learns from mail: the first door in use."""

from pathlib import Path

import pytest

from postward.daemon.configuration import configure
from postward.daemon.wiring import learning, take_over, tools
from postward.house import House, learn_nothing
from postward.stage import Door, Stage
from postward.store.memory import MemoryStore
from tests.dns_zone import ZoneDns
from tests.pretend import Clock


@pytest.mark.parametrize(
    ("doors", "door", "learns"),
    [
        ("[policyd, milter]", Door.POLICYD, True),
        ("[policyd, milter]", Door.MILTER, False),
        ("[policyd]", Door.POLICYD, True),
        ("[milter]", Door.MILTER, True),
    ],
)
def test_nothing_is_learned_twice(tmp_path: Path, doors: str, door: Door, learns: bool) -> None:
    (tmp_path / "postward.yml").write_text(f"doors: {doors}\n")
    assert (learning(configure(tmp_path), door) is not learn_nothing) is learns


@pytest.mark.parametrize(
    ("doors", "rules", "at"),
    [
        ("[policyd]", "shipped: off", Stage.RCPT),
        (
            "[policyd, milter]",
            "rules: [{name: x, check: rdns, with: {verdict: missing}, then: {score: 1}}]",
            Stage.DATA,
        ),
        ("[milter]", "shipped: off", Stage.DATA),
    ],
)
def test_mail_counts_at_data_where_that_is_asked_about(
    tmp_path: Path, doors: str, rules: str, at: Stage
) -> None:
    (tmp_path / "postward.yml").write_text(f"doors: {doors}\n")
    (tmp_path / "rules.d").mkdir()
    (tmp_path / "rules.d" / "a.yml").write_text(f"{rules}\n")
    door = Door.MILTER if doors == "[milter]" else Door.POLICYD
    made = learning(configure(tmp_path), door).__self__  # type: ignore[attr-defined]  # a bound method
    assert made.counts_at is at


def test_mail_is_suspicious_from_the_sites_threshold_on(tmp_path: Path) -> None:
    (tmp_path / "postward.yml").write_text("doors: [policyd]\n")
    (tmp_path / "rules.d").mkdir()
    (tmp_path / "rules.d" / "a.yml").write_text("thresholds: {greylist: 3}\n")
    made = learning(configure(tmp_path), Door.POLICYD).__self__  # type: ignore[attr-defined]  # as above
    assert made.suspicious == 3


def test_a_reload_forgets_nothing_of_what_happened_lately(tmp_path: Path) -> None:
    (tmp_path / "postward.yml").write_text("doors: [policyd]\n")
    configuration = configure(tmp_path)
    kit = tools(configuration, ZoneDns(), MemoryStore(), Clock())
    house = House(configuration.rules, kit, lambda *_: None, b"")
    before = house.tools.lately
    take_over(house, configuration)
    assert house.tools is not kit
    assert house.tools.lately is before
    assert house.tools.for_message().lately is before
