"""Who learns from mail: the first door in use."""

from pathlib import Path

import pytest

from postward.daemon.configuration import configure
from postward.daemon.wiring import learning
from postward.house import learn_nothing
from postward.stage import Door


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
