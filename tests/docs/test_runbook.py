"""The runbook names log lines that there are."""

import ast
import re
import sqlite3
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT

_RUNBOOK = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
_HEADINGS = [line for line in _RUNBOOK.splitlines() if line.startswith("## Logged: ")]
_QUOTED = [(heading, quoted) for heading in _HEADINGS for quoted in re.findall("`([^`]+)`", heading)]
_IN_TEXT = ["works again after", "it is left out", "… connections refused: … are open (milter.connections)"]
_PLACE = re.compile(r"%(?:s|d|g|\.\d+f)|…")


def _texts(source: Path) -> list[str]:
    """What a program logs, or makes of values to be logged; each value is a place."""
    found = []
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            parts = (str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
            found.append("".join(parts))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).startswith("_log."):
            inner = (each.value for each in ast.walk(node) if isinstance(each, ast.Constant))
            found += [value for value in inner if isinstance(value, str)]
    return [_PLACE.sub("…", text) for text in found]


_LOGGED = [
    text
    for room in ("postward", "policyd", "milters")
    for source in (ROOT / room).rglob("*.py")
    for text in _texts(source)
]


def _full_disk() -> str:
    """SQLite's own words, as the store logs them."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("PRAGMA max_page_count = 2")
    connection.execute("CREATE TABLE t (x)")
    with pytest.raises(sqlite3.Error) as caught:
        connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
    connection.close()
    return f"…state.db: {type(caught.value).__name__}: {caught.value}"


def test_there_are_such_headings() -> None:
    assert len(_HEADINGS) >= 10
    assert all("`" in heading for heading in _HEADINGS)


@pytest.mark.parametrize("line", [*(quoted for _, quoted in _QUOTED), *_IN_TEXT])
def test_a_line_that_the_runbook_names_is_logged(line: str) -> None:
    assert line in _RUNBOOK
    assert line == _full_disk() or any(line.rstrip("…") in text for text in _LOGGED)


def test_a_line_that_nobody_logs_is_found() -> None:
    assert not any("the store is down" in text for text in _LOGGED)
