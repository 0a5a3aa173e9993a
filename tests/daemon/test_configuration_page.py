"""docs/configuration.md has every key of postward.yml, with its default."""

import re
from pathlib import Path

import pytest

from postward.daemon.config import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
SECTIONS = ("policyd", "milter", "dns", "networks", "store", "notify", "rdap", "journal", "log")


def rows(section: str) -> dict[str, str]:
    """Key -> default, from the table under a heading."""
    text = re.split(r"^## ", PAGE, flags=re.M)
    (part,) = [each for each in text if each.startswith(section + "\n")]
    cells = [line.split("|") for line in part.splitlines() if line.startswith("| `")]
    return {key: row[2].strip().strip("`") for row in cells for key in re.findall(r"`(\w+)`", row[1])}


@pytest.mark.parametrize("section", SECTIONS)
def test_each_key_of_a_section_is_documented(section: str) -> None:
    assert set(rows(section)) == set(type(getattr(Settings(), section)).model_fields)


def test_each_key_at_the_top_is_documented() -> None:
    assert set(rows("At the top")) == set(Settings.model_fields)


@pytest.mark.parametrize("section", SECTIONS)
def test_plain_defaults_are_true(section: str) -> None:
    settings = getattr(Settings(), section)
    for key, said in rows(section).items():
        value = getattr(settings, key)
        if isinstance(value, bool):
            assert said == str(value).lower(), key
        elif isinstance(value, int | str) and key not in ("socket_mode", "max_size"):
            assert said == str(value), key
        elif isinstance(value, float) and said.endswith("s"):
            assert said == f"{value:g}s", key
