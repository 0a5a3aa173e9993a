"""The store of a configuration, for commands: opened, asked, closed; what can be wrong is told."""

import asyncio
import errno
import getpass
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from postward.console.options import Trouble
from postward.printable import printable

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


def on_store(
    settings: "Settings", what: str, work: "Callable[[Store], Awaitable[T]]", *, again: bool = True
) -> T:
    """The result of `work` on the store of `settings`; `what` names what is kept there. Raises Trouble.

    `again`: `work` may be done a second time where the store did not answer.
    """
    from postward.state import StoreDown
    from postward.store.database import SchemaRefused
    from postward.store.factory import open_store

    kept = settings.store
    if kept.kind == "memory":
        raise Trouble(f"store.kind is memory: {what} live in the daemon alone", "use store: {kind: sqlite}")
    _look_at(kept.path)

    async def run() -> T:
        store = open_store(kept.kind, kept.path, half_life=settings.ratings.half_life)
        try:
            return await work(store)
        finally:
            store.close()

    try:
        with _quiet():
            try:
                return asyncio.run(run())
            except StoreDown:  # the lock of a file is not fair: a busy daemon may have had it all the time
                if not again:
                    raise
                return asyncio.run(run())
    except StoreDown as down:
        raise Trouble(f"the store does not answer: {down}") from None
    except SchemaRefused as refused:
        raise Trouble(str(refused)) from None


def _look_at(path: Path) -> None:
    """Raises Trouble where there is no store, or not for this user: SQLite would not say why."""
    try:
        with path.open("rb+"):
            if not os.access(
                path.parent, os.W_OK | os.X_OK, effective_ids=True
            ):  # its write-ahead log lies beside it
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except FileNotFoundError:
        raise Trouble(f"there is no store at {path} yet", "the daemons make it when they start") from None
    except OSError as error:
        why = (error.strerror or "error").lower()
        users = " or ".join(dict.fromkeys(("root", _owner(path))))
        hint = f"run it as {users}" if isinstance(error, PermissionError) else ""
        raise Trouble(f"cannot open {path} ({why})", hint) from None


def _owner(path: Path) -> str:
    """Whose the store is, as far as this user may see."""
    try:
        return path.owner()
    except (OSError, KeyError):  # no right to look, or a user without a name
        return "postward"


@contextmanager
def _quiet() -> Iterator[None]:
    """What the store logs goes nowhere, for its errors are told; but a file moved aside is said."""
    log, handler = logging.getLogger("postward"), _Said(logging.CRITICAL)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


class _Said(logging.Handler):
    """Says it on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(f"warning: {printable(record.getMessage(), 2000)}", err=True)


def who() -> str:
    """The person at the keyboard, also behind sudo(8)."""
    return os.environ.get("SUDO_USER") or getpass.getuser()


def when(seconds: float) -> str:
    """Wall clock seconds as people read them, UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
