"""Which store a site asked for. A new kind is one more module, one more line in `open_store`."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from postward.state import Store
from postward.store.memory import MemoryStore
from postward.store.sqlite import SqliteStore
from postward.store.standing import HALF_LIFE
from postward.store.timeline import since_boot

KINDS = ("sqlite", "memory")


class OpenStore(Store, Protocol):
    """A store that its owner closes when the last request is answered."""

    def close(self) -> None: ...


def open_store(
    kind: str,
    path: Path | str | None = None,
    *,
    steady: Callable[[], float] | None = since_boot,
    half_life: float = HALF_LIFE,
) -> OpenStore:
    """The store of `kind`: `sqlite` in the file `path`, or `memory`.

    The durable store's time follows `steady`, so that a jump of the wall clock moves nothing; with
    None it follows the `now` that each verb is given. `half_life`: seconds in which half of a rating
    fades. Raises `ValueError` for what cannot be meant
    and `SchemaRefused` for a file that must not be touched. Open it after forking.
    """
    if kind == "memory":
        return MemoryStore(half_life=half_life)
    if kind == "sqlite":
        if path is None:
            raise ValueError("the sqlite store needs a path")
        return SqliteStore(path, steady=steady, half_life=half_life)
    raise ValueError(f"no store of kind {kind!r}; there are: {', '.join(KINDS)}")
