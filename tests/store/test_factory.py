"""Which store a site gets."""

from pathlib import Path

import pytest

from postward.store.factory import open_store
from postward.store.memory import MemoryStore
from postward.store.sqlite import SqliteStore


def test_memory() -> None:
    assert isinstance(open_store("memory"), MemoryStore)


def test_sqlite(tmp_path: Path) -> None:
    store = open_store("sqlite", tmp_path / "state.db")
    assert isinstance(store, SqliteStore)
    store.close()


def test_sqlite_needs_a_path() -> None:
    with pytest.raises(ValueError, match="path"):
        open_store("sqlite")


def test_an_unknown_kind_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="no store of kind 'mongo'; there are: sqlite, memory"):
        open_store("mongo", "x")
