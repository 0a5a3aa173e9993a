"""The store of a configuration, for commands: opened, asked, closed; what can be wrong is told."""

import asyncio
import getpass
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from postward.console.options import Trouble

if TYPE_CHECKING:
    from postward.daemon.config import Settings
    from postward.state import Store

T = TypeVar("T")


def settings_in(directory: Path) -> "Settings":
    """The settings of the configuration in `directory`. Raises Trouble."""
    from postward.daemon.config import load_settings
    from postward.rules.errors import ConfigErrors

    try:
        return load_settings(directory)
    except ConfigErrors as errors:
        raise Trouble(str(errors), f"postward check {directory}") from None


def on_store(settings: "Settings", what: str, work: "Callable[[Store], Awaitable[T]]") -> T:
    """The result of `work` on the store of `settings`; `what` names what is kept there. Raises Trouble."""
    from postward.state import StoreDown
    from postward.store.database import SchemaRefused
    from postward.store.factory import open_store

    kept = settings.store
    if kept.kind == "memory":
        raise Trouble(f"store.kind is memory: {what} live in the daemon alone", "use store: {kind: sqlite}")
    if not kept.path.exists():
        raise Trouble(f"there is no store at {kept.path} yet", "the daemons make it when they start")

    async def run() -> T:
        store = open_store(kept.kind, kept.path, half_life=settings.ratings.half_life)
        try:
            return await work(store)
        finally:
            store.close()

    try:
        try:
            return asyncio.run(run())
        except StoreDown:  # the lock of a file is not fair: a busy daemon may have had it all the time
            return asyncio.run(run())
    except StoreDown as down:
        raise Trouble(f"the store does not answer: {down}") from None
    except SchemaRefused as refused:
        raise Trouble(str(refused)) from None


def who() -> str:
    """The person at the keyboard, also behind sudo(8)."""
    return os.environ.get("SUDO_USER") or getpass.getuser()


def when(seconds: float) -> str:
    """Wall clock seconds as people read them, UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
