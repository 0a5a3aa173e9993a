"""Large lists: read in a leaner way, to the same values, and still bounded."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from postward.rules.document import MAX_OCTETS, Document, parse
from postward.rules.errors import ConfigErrors
from postward.rules.listfile import MAX_LIST, _Lean
from postward.rules.load import load
from tests.house import BOTH

PADDING = "#" * MAX_OCTETS + "\n"  # makes any list a large one


def _lean(text: str) -> Document:
    document = Document("f")
    _Lean(document, text).document()
    return document


def _large(tmp_path: Path, text: str) -> str:
    """What loading says of this text in a large list."""
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "x.yml").write_text(PADDING + text)
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path, BOTH)
    return str(caught.value).replace(f"{tmp_path}/lists/", "")


def test_a_large_list_is_read(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    lines = "".join(
        f"  - {{value: host{number}.example.org, note: 'No {number}'}}\n" for number in range(30_000)
    )
    assert len(lines) > MAX_OCTETS
    (tmp_path / "lists" / "x.yml").write_text(f"description: many\nentries:\n{lines}")
    made = load(tmp_path, BOTH).lists["x"]
    assert len(made) == 30_000
    entry = made.match_domain("host29999.example.org", 0.0)
    assert entry is not None
    assert entry.note == "No 29999"


def test_a_larger_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "x.yml").write_text("#" * (MAX_LIST + 1))
    with pytest.raises(ConfigErrors, match=f"larger than {MAX_LIST} octets"):
        load(tmp_path, BOTH)


def test_a_wrong_entry_is_told_by_its_line(tmp_path: Path) -> None:
    said = _large(tmp_path, "entries:\n- a.org\n- {value: b.org, expires: soon}\n- a.org\n")
    assert said.splitlines() == [
        "x.yml:4:3: entries[1].expires: must be a date such as 2027-01-31",
        "x.yml:5:3: entries[2]: 'a.org' stands in the list already; keep one",
    ]


SIMPLE = f"a list of more than {MAX_OCTETS} octets holds texts and simple mappings only"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("entries: [!!str a.org]", f"x.yml:2:11: {SIMPLE}"),
        ("entries: [&a a.org, *a]", f"x.yml:2:21: {SIMPLE}"),
        ("entries: [[a.org]]", f"x.yml:2:11: {SIMPLE}"),
        ("entries: [{value: [a.org]}]", f"x.yml:2:19: {SIMPLE}"),
        ("entries: {value: a.org}", f"x.yml:2:10: {SIMPLE}"),
        ("- a.org", f"x.yml:2:1: {SIMPLE}"),
        ("entries: []\n--- \nentries: []", f"x.yml:4:1: {SIMPLE}"),
        ("entries: [{value: a.org, value: b.org}]", "x.yml:2:26: value: stands twice; keep one"),
        (
            "entries: [007]",
            "x.yml:2:11: 007 could be octal; write it without the zero or in quotes",
        ),
        (
            "entries: [{value: a.org, <<: b}]",
            "x.yml:2:11: entries[0].<<: unknown key; known: added, expires, note, score, value, whole",
        ),
        ("entries: " + "[" * 50_000, f"x.yml:2:11: {SIMPLE}"),
    ],
)
def test_what_a_large_list_cannot_hold(tmp_path: Path, text: str, said: str) -> None:
    assert _large(tmp_path, text) == said


VALUES = st.text(st.sampled_from("ab.@:/#'-019 \n~\u00e9"), max_size=8)
ENTRIES = st.lists(VALUES | st.dictionaries(st.sampled_from(["value", "note", "added"]), VALUES, max_size=3))


@given(ENTRIES, st.booleans(), st.sampled_from([None, "'", '"', "|"]))
def test_both_ways_read_the_same(entries: list[Any], flow: bool, style: str | None) -> None:
    text = yaml.safe_dump(
        {"entries": entries}, default_flow_style=flow, default_style=style, allow_unicode=True
    )
    if "!!" in text:
        return
    full = parse(text.encode(), "f")
    if full.problems:  # 09: a word in YAML 1.1, by which it was written
        with pytest.raises(ConfigErrors):
            _lean(text)
    else:
        assert _lean(text).data == full.data


@given(st.text(st.sampled_from("{}[]:,-?*&!|>'\"% \n\tab0"), max_size=60))
def test_whatever_is_read_leanly_is_what_the_other_way_reads(text: str) -> None:
    try:
        lean = _lean(text)
    except (ConfigErrors, yaml.YAMLError):
        return
    full = parse(text.encode(), "f")
    assert lean.data == full.data or full.problems
