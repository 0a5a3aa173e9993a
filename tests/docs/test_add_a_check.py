"""docs/howto/add-a-check.md, step by step, in a copy of the checkout."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, named

HOWTO = "docs/howto/add-a-check.md"
COPIED = ("postward", "milters", "policyd", "tests", "scripts", "docs", "pyproject.toml")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the steps touch, without the recorded traces."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "traces", "postfix", "daemon")
            shutil.copytree(source, tmp_path / name, ignore=ignored)
        else:
            shutil.copy(source, tmp_path / name)
    shutil.copytree(ROOT / "postward" / "daemon", tmp_path / "postward" / "daemon")
    return tmp_path


def _run(checkout: Path, *arguments: str) -> str:
    paths = os.pathsep.join([str(checkout), str(checkout / "scripts")])
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _follow(checkout: Path) -> None:
    for kind in ("python", "yaml"):
        for name, text in named(HOWTO, kind).items():
            (checkout / name).write_text(text, encoding="utf-8")
    registry = checkout / "postward/checks/registry.py"
    text = registry.read_text(encoding="utf-8")
    first = "from postward.checks.from_header"
    assert first in text
    text = text.replace(first, f"from postward.checks.announced import Announced\n{first}")
    assert "for check in (" in text
    registry.write_text(text.replace("for check in (", "for check in (Announced, "), encoding="utf-8")
    values = checkout / "tests/checks/test_every_check.py"
    text = values.read_text(encoding="utf-8")
    assert "VALUES: dict[str, list[Any]] = {" in text
    values.write_text(
        text.replace(
            "VALUES: dict[str, list[Any]] = {",
            'VALUES: dict[str, list[Any]] = {\n    "size": [0, 30_000_000],',
        ),
        encoding="utf-8",
    )


def test_its_steps_make_a_check_with_tests_page_and_schema(checkout: Path) -> None:
    _follow(checkout)
    _run(checkout, "-m", "lab.pages")
    tests = ("tests/checks/test_announced.py", "tests/checks/test_every_check.py", "tests/docs/test_pages.py",
             "tests/docs/test_examples.py", "tests/rules/test_schema.py")  # fmt: skip
    _run(checkout, "-m", "pytest", "-p", "no:cacheprovider", "-q", *tests, "-k", "not links")
    page = (checkout / "docs/checks/announced.md").read_text(encoding="utf-8")
    assert "| `above` | whole number, 1 or more | `20000000` | Octets that are still fine. |" in page
    assert "It reads `size`. It is asked at policyd or the milter, from stage mail on." in page
