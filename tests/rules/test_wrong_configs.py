"""Wrong configurations, each with the exact lines that loading it must say (`wrong/*.txt`)."""

from pathlib import Path

import pytest

from postward.rules.errors import ConfigErrors
from postward.rules.load import load
from tests.rules.blocks import Block, blocks

FOLDER = Path(__file__).parent / "wrong"
CASES = [
    pytest.param(block, id=f"{path.stem}: {block.name}")
    for path in sorted(FOLDER.glob("*.txt"))
    for block in blocks(path.read_text(encoding="utf-8"))
]


def test_there_are_many_and_no_two_alike() -> None:
    names = [case.id for case in CASES]
    assert len(set(names)) == len(names) >= 150


@pytest.mark.parametrize("block", CASES)
def test_says_what_is_wrong_where(block: Block, tmp_path: Path) -> None:
    block.write(tmp_path)
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path, block.doors)
    assert str(caught.value).replace(f"{tmp_path}/", "").split("\n") == block.says
