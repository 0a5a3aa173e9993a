"""`holds:` of a rules file."""

from pathlib import Path

from postward.rules.hold import HoldPolicy
from postward.rules.load import load
from tests.house import BOTH

HOUR = 3_600.0


def policy(directory: Path, *files: str) -> HoldPolicy:
    (directory / "rules.d").mkdir()
    for number, text in enumerate(files):
        (directory / "rules.d" / f"{number}.yml").write_text(text)
    return load(directory, BOTH).holds


def test_without_a_word_a_day_then_full_scoring(tmp_path: Path) -> None:
    assert policy(tmp_path) == HoldPolicy(24 * HOUR, (4 * HOUR, 12 * HOUR, 20 * HOUR), "accept")


def test_all_of_it(tmp_path: Path) -> None:
    text = "holds: {for: 2d, remind: [1d, 90m], on_deadline: quarantine}"
    assert policy(tmp_path, text) == HoldPolicy(48 * HOUR, (1.5 * HOUR, 24 * HOUR), "quarantine")


def test_a_later_file_changes_only_what_it_gives(tmp_path: Path) -> None:
    told = policy(tmp_path, "holds: {for: 48h, on_deadline: defer}", "holds: {for: 30h}")
    assert (told.seconds, told.on_deadline) == (30 * HOUR, "defer")


def test_no_reminders(tmp_path: Path) -> None:
    assert policy(tmp_path, "holds: {remind: []}").remind == ()
