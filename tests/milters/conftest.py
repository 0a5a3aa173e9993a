"""The libmilter transport for dialogues, in a process of its own."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from milters.client import MilterClient

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def libmilter(tmp_path_factory) -> Iterator[Callable[[Path], MilterClient]]:
    """Gives a client of a libmilter that acts by the rules of a dialogue file."""
    pytest.importorskip("milter", reason="needs the libmilter extra")
    path = tmp_path_factory.mktemp("libmilter") / "milter"
    command = [sys.executable, "-m", "tests.milters.libmilter_child", str(path)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "ready\n"

        def client(dialogue: Path) -> MilterClient:
            child.stdin.write(f"{dialogue}\n")
            child.stdin.flush()
            assert child.stdout.readline() == "ready\n"
            return MilterClient.connect(str(path))

        yield client
        child.stdin.write("drain\n")
        child.stdin.flush()
        assert child.stdout.readline() == "finished\n"
        assert child.wait(timeout=20) == 0
