"""The code blocks of a documentation page."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^```(yaml|python)\n# (\S+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def named(page: str, kind: str) -> dict[str, str]:
    """The blocks of `kind` in a page, by the file that their first line names."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = {name: body for what, name, body in _BLOCK.findall(text) if what == kind}
    assert len(found) == text.count(f"```{kind}\n"), f"{page}: a block of {kind} without the name of its file"
    return found
