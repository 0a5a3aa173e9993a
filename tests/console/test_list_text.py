"""Edits of lists: everything else stays as it is, whatever the file looks like."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from postward.console.list_text import CannotEdit, entry_text, layout, with_entry, without
from postward.rules.document import parse

NEW = "{value: new.org}"
COMMENTED = """\
# Ours. Do not touch without asking Eve.
description: "Networks"   # not shown

entries:   # by date

  - a.org          # the first
  # about b
  - {value: b.org, note: "x # y, z", added: 2026-01-01}

  - value: c.org
    # why
    note: >-
      long
      text

  -
    value: 'd.org'
  # the end
"""


def _values(text: str) -> list[str]:
    return [spot.value for spot in layout(text).entries]


def test_comments_order_and_blank_lines_stay_when_an_entry_is_added() -> None:
    made = with_entry(COMMENTED, NEW)
    assert made == COMMENTED.replace("    value: 'd.org'\n", f"    value: 'd.org'\n  - {NEW}\n")


@pytest.mark.parametrize(
    ("gone", "line"),
    [
        (0, "  - a.org          # the first\n"),
        (1, '  - {value: b.org, note: "x # y, z", added: 2026-01-01}\n'),
        (2, "  - value: c.org\n    # why\n    note: >-\n      long\n      text\n"),
        (3, "  -\n    value: 'd.org'\n"),
    ],
)
def test_its_lines_go_with_an_entry_and_no_others(gone: int, line: str) -> None:
    assert without(COMMENTED, {gone}) == COMMENTED.replace(line, "")


def test_a_list_that_becomes_empty_is_still_one() -> None:
    made = without(COMMENTED, {0, 1, 2, 3})
    assert "entries: []   # by date\n" in made
    assert made.count("#") == 5
    assert parse(made.encode(), "x").data["entries"] == []
    assert _values(with_entry(made, NEW)) == ["new.org"]


ADDED = [
    ("", f"entries:\n  - {NEW}\n"),
    ("# nothing yet\n", f"# nothing yet\nentries:\n  - {NEW}\n"),
    ("description: x", f"description: x\nentries:\n  - {NEW}\n"),
    ("description: x\r\n", f"description: x\r\nentries:\r\n  - {NEW}\r\n"),
    ("entries: []\n", f"entries:\n  - {NEW}\n"),
    ("entries: []", f"entries:\n  - {NEW}"),
    ("entries: []  # none\n# end\n", f"entries:  # none\n  - {NEW}\n# end\n"),
    ("entries: [\n]\ndescription: x\n", f"entries:\n  - {NEW}\ndescription: x\n"),
    ("entries: [ # none\n]\n", f"entries: [{NEW} # none\n]\n"),
    ("entries:\n- a.org", f"entries:\n- a.org\n- {NEW}"),
    ("entries:\r\n  - a.org # x\r\n  # y\r\n", f"entries:\r\n  - a.org # x\r\n  - {NEW}\r\n  # y\r\n"),
    ("entries:\n    - ü.org\ndescription: x\n", f"entries:\n    - ü.org\n    - {NEW}\ndescription: x\n"),
    ("entries:\n- value: a.org\n  note: |\n    b\n\n# c\n",
     f"entries:\n- value: a.org\n  note: |\n    b\n- {NEW}\n\n# c\n"),
    ("entries: [a.org, b.org]\n", f"entries: [a.org, b.org, {NEW}]\n"),
    ("entries: [a.org, ]\n", f"entries: [a.org, {NEW} ]\n"),
    ("{entries: [a.org]}\n", f"{{entries: [a.org, {NEW}]}}\n"),
    ("{entries: []}\n", f"{{entries: [{NEW}]}}\n"),
    ("entries: [\n  a.org, # x, y\n  b.org  # z\n]\n",
     f"entries: [\n  a.org, # x, y\n  b.org,  # z\n  {NEW}\n]\n"),
    ("entries: [\n  a.org, # x, y\n]\n", f"entries: [\n  a.org, # x, y\n  {NEW}\n]\n"),
    ("entries: [\n  {value: a.org}]\n", f"entries: [\n  {{value: a.org}}, {NEW}]\n"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "made"), ADDED)
def test_what_an_entry_is_added_to(text: str, made: str) -> None:
    assert with_entry(text, NEW) == made
    assert _values(made)[-1] == "new.org"


@pytest.mark.parametrize(("before", "after"), ADDED)
def test_what_was_added_can_be_taken_out(before: str, after: str) -> None:
    rest = without(after, {len(_values(after)) - 1})
    assert _values(rest) == _values(before)


@pytest.mark.parametrize(
    ("text", "gone", "made"),
    [
        ("entries: [a.org, b.org, c.org]\n", {0}, "entries: [b.org, c.org]\n"),
        ("entries: [a.org, b.org, c.org]\n", {1}, "entries: [a.org, c.org]\n"),
        ("entries: [a.org, b.org, c.org]\n", {2}, "entries: [a.org, b.org]\n"),
        ("entries: [a.org, b.org, c.org]\n", {1, 2}, "entries: [a.org]\n"),
        ("entries: [a.org, b.org]\n", {0, 1}, "entries: []\n"),
        ("entries: [\n  a.org, # x, y\n  b.org, # z\n]\n", {1}, "entries: [\n  a.org, # x, y\n  # z\n]\n"),
        ("entries: [\n  a.org,\n  b.org\n]\n", {1}, "entries: [\n  a.org\n]\n"),
        ("entries: [\r\n  a.org,\r\n  b.org,\r\n]\r\n", {0}, "entries: [\r\n  b.org,\r\n]\r\n"),
        ("entries:\r\n- a.org\r\n- b.org\r\n", {0}, "entries:\r\n- b.org\r\n"),
        ("entries:\n- a.org\n- b.org", {1}, "entries:\n- a.org\n"),
        ("entries:\n- a.org", {0}, "entries: []\n"),
    ],
)
def test_what_entries_are_taken_from(text: str, gone: set[int], made: str) -> None:
    assert without(text, gone) == made


@pytest.mark.parametrize(
    "text",
    ["[a.org]", "{description: x}\n", "entries: {a: b}\n", "entries: [[a.org]]\n",
     "entries: [{value: [a]}]\n", "description: x\n...\n", "a.org\n", " description: x\n",
     "x: &a b\nentries: [*a]\n"],
)  # fmt: skip
def test_what_only_a_person_should_edit(text: str) -> None:
    with pytest.raises(CannotEdit):
        with_entry(text, NEW)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("AS64500", "AS64500"),
        (".example.org", ".example.org"),
        ("2001:db8::", '"2001:db8::"'),
        ("bücher.example", '"bücher.example"'),
        ("null", '"null"'),
        ("1.5", '"1.5"'),
        ("007", '"007"'),
        ('a "b", {c}: #d \\', '"a \\"b\\", {c}: #d \\\\"'),
    ],
)
def test_values_are_quoted_where_they_must(value: str, text: str) -> None:
    assert entry_text({"value": value}) == f"{{value: {text}}}"


TEXT = st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=12)


@given(TEXT, TEXT.filter(str.isprintable))
def test_whatever_is_written_is_read_again(value: str, note: str) -> None:
    if not value.isprintable():
        return
    text = with_entry(
        "entries: []\n", entry_text({"value": value, "note": note, "score": 2.5, "whole": True})
    )
    entry = {"value": value, "note": note, "score": 2.5, "whole": True}
    assert parse(text.encode(), "x").data == {"entries": [entry]}


SHAPES = st.sampled_from([
    "- {v}", "- {v} # c", "- {{value: {v}}}", "- value: {v}", "-  value: {v}\n   note: n, # c",
    "-\n  value: {v}", "- value: {v}\n  note: |\n    # x\n    y\n", "- '{v}'\n# c", "- {v}\n\n",
])  # fmt: skip


@given(st.lists(SHAPES, min_size=1, max_size=6), st.sets(st.integers(0, 5)), st.booleans(), st.booleans())
def test_any_mixture_is_edited_or_refused(shapes: list[str], gone: set[int], crlf: bool, cut: bool) -> None:
    body = "\n".join(shape.format(v=f"v{number}.org") for number, shape in enumerate(shapes))
    text = f"# top\nentries:\n{body}" + ("" if cut else "\n")
    text = text.replace("\n", "\r\n") if crlf else text
    gone = {number for number in gone if number < len(shapes)}
    values = _values(text)
    assert len(values) == len(shapes)
    made = without(text, gone)
    assert _values(made) == [value for number, value in enumerate(values) if number not in gone]
    assert _values(with_entry(made, NEW))[-1] == "new.org"
    assert list(yaml.safe_load(made)) == ["entries"]
