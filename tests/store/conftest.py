"""Contract tests run over every store. A new kind joins by one more line in `KINDS`."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from postward.store.factory import OpenStore
from postward.store.memory import MemoryStore
from postward.store.sqlite import SqliteStore

KINDS: dict[str, Callable[[Path], OpenStore]] = {
    "memory": lambda path: MemoryStore(),
    "sqlite": lambda path: SqliteStore(path / "state.db"),
}


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenStore]:
    opened = KINDS[request.param](tmp_path)
    yield opened
    opened.close()
