"""The command itself: lazy, and with an example in every help text."""

import subprocess
import sys

import pytest

from postward import __version__
from postward.console.main import COMMANDS
from tests.console.site import postward

ALL = [*COMMANDS, "version"]


def test_help_lists_every_command() -> None:
    lines = postward("--help").output
    assert all(f"\n  {name} " in lines for name in ALL)


@pytest.mark.parametrize("name", ALL)
def test_each_command_shows_an_example(name: str) -> None:
    result = postward(name, "--help")
    assert result.exit_code == 0
    assert "Example" in result.output
    assert f"postward {name}" in result.output


@pytest.mark.parametrize("name", ["list", "show", "approve", "deny"])
def test_each_command_for_holds_shows_an_example(name: str) -> None:
    assert f"postward holds {name}" in postward("holds", name, "--help").output


def test_version() -> None:
    assert postward("version").output == f"postward {__version__}\n"


def test_an_unknown_command_is_refused() -> None:
    result = postward("chekc")
    assert result.exit_code == 2
    assert "No such command" in result.stderr


def test_help_needs_no_heavy_imports() -> None:
    script = (
        "import sys, postward.console.main\n"
        "print(sorted({'rich', 'pydantic', 'dns', 'yaml', 'asyncio', 'sqlite3'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
