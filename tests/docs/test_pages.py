"""The written pages are those that are committed, and the hand-written ones leave nothing out."""

import re
from pathlib import Path

import pytest
from lab import pages

from postward.checks.registry import CHECKS
from postward.rules.compile import KEYS
from postward.rules.conditions import KINDS
from postward.rules.document import read
from postward.rules.load import CHANGEABLE, FOR_KEYS, SHIPPED, TOP, load
from postward.rules.outcomes import DOCS
from postward.rules.rule import Mode
from postward.rules.text import PLACEHOLDERS
from postward.rules.thresholds import Thresholds
from postward.stage import Door, Stage
from tests.docs.blocks import ROOT
from tests.house import BOTH


@pytest.mark.parametrize("path", pages.files(), ids=str)
def test_a_written_page_is_the_committed_one(path: Path) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == pages.files()[path], "run scripts/docs"


def test_a_number_that_may_be_left_out_is_no_duration() -> None:
    assert "| `below` | number, -100.0 to 100.0 | `none` |" in pages.page("rating")


def test_there_is_no_page_without_a_check() -> None:
    written = {path for path in pages.files() if path.suffix == ".md"}
    assert {path.relative_to(ROOT) for path in (ROOT / "docs/checks").glob("*.md")} == written


def test_there_is_an_example_for_each_check_and_no_other() -> None:
    assert {path.stem for path in (ROOT / "docs/checks/examples").iterdir()} == set(CHECKS)


@pytest.mark.parametrize(
    "word",
    [
        *TOP,
        *KEYS,
        *KINDS,
        *DOCS,
        *FOR_KEYS,
        *CHANGEABLE,
        *Thresholds.__dataclass_fields__,
        *(mode.value for mode in Mode),
        *(stage.word for stage in Stage),
        *(door.value for door in Door),
        *(f"{{{name}}}" for name in PLACEHOLDERS),
        "value",
        "note",
        "added",
        "expires",
    ],
)
def test_every_word_of_the_grammar_is_explained(word: str) -> None:
    text = (ROOT / "docs/rules.md").read_text(encoding="utf-8")
    assert re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", " ".join(re.findall(r"`([^`\n]+)`", text)))


def test_every_shipped_number_has_its_source() -> None:
    text = (ROOT / "docs/defaults.md").read_text(encoding="utf-8")
    rules = read(SHIPPED / "rules.yml").data
    for rule in rules["rules"]:
        then = rule["then"]
        word = then if isinstance(then, str) else next(iter(then))
        outcome = f"score {then['score']}" if word == "score" else word
        assert f"| `{rule['name']}` | {outcome} | " in text
    for name, number in rules["thresholds"].items():
        assert f"| `{name}` | {number} | " in text


def test_every_shipped_list_is_named(tmp_path: Path) -> None:
    text = (ROOT / "docs/rules.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in load(tmp_path, BOTH).lists)


@pytest.mark.parametrize("path", sorted((ROOT / "docs").rglob("*.md")), ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        assert link.startswith(("http://", "https://")) or (path.parent / link).exists(), link
