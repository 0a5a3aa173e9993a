"""Every example in the documentation loads, and the schema takes it."""

from pathlib import Path

import jsonschema
import pytest

from postward.daemon.config import load_settings
from postward.rules.document import parse
from postward.rules.load import load
from postward.rules.schema import schema
from tests.docs.blocks import ROOT, named
from tests.house import BOTH

PAGES = [
    "docs/rules.md",
    "docs/howto/ratings.md",
    "docs/howto/spam-traps.md",
    "docs/howto/hold-new-domains.md",
    "docs/howto/try-a-rule-first.md",
    "docs/howto/tend-lists.md",
]
EXAMPLES = sorted((ROOT / "docs/checks/examples").glob("*.yml"))


def _write(directory: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_of_a_page_load(page: str, tmp_path: Path) -> None:
    blocks = named(page, "yaml")
    assert blocks
    _write(tmp_path, blocks)
    load(tmp_path, BOTH)


@pytest.mark.parametrize("page", PAGES)
def test_the_schema_takes_the_examples_of_a_page(page: str) -> None:
    for name, text in named(page, "yaml").items():
        if name.startswith("rules.d/"):
            jsonschema.validate(parse(text.encode(), name).data, schema())


def test_the_settings_of_the_page_about_holds_load(tmp_path: Path) -> None:
    _write(tmp_path, {"postward.yml": named("docs/howto/hold-new-domains.md", "yaml")["postward.yml"]})
    settings = load_settings(tmp_path)
    assert settings.notify.mail is not None
    assert settings.notify.webhook is not None
    assert settings.rdap.servers


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_the_example_of_a_check_loads(path: Path, tmp_path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    _write(tmp_path, {"rules.d/example.yml": text})
    load(tmp_path, BOTH)
    jsonschema.validate(parse(text.encode(), path.name).data, schema())
