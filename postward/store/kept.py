"""The connection that a thread writes with, kept through trouble: dropped, opened anew, told of once."""

import logging
import sqlite3
import time

from postward.store.database import Database, SchemaRefused, is_corrupt

_log = logging.getLogger("postward.store")

TROUBLE = (sqlite3.Error, OSError, SchemaRefused, UnicodeDecodeError)
"""What can go wrong with a file (the last: a message quotes damaged text). Else it is our fault."""


class Kept:
    """Belongs to one thread. `troubled`: the last thing that was tried did not work."""

    def __init__(self, database: Database, connection: sqlite3.Connection | None = None) -> None:
        self._database = database
        self._connection = connection
        self._since: float | None = None

    @property
    def troubled(self) -> bool:
        return self._since is not None

    def open(self) -> sqlite3.Connection:
        """The connection; opened anew after trouble, or when somebody replaced the file. Raises `TROUBLE`."""
        if self._connection is not None and self._database.replaced():
            self.close()
        if self._connection is None:
            self._connection = self._database.connect()
        return self._connection

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()

    def trouble(self, error: Exception) -> None:
        """Note trouble. The connection goes unless the file is only busy; a corrupt file is moved aside."""
        if self._since is None:
            self._since = time.monotonic()
            _log.error("%s: %s: %s", self._database.path, type(error).__name__, error)
        if (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF != sqlite3.SQLITE_BUSY:
            self.close()
        if isinstance(error, sqlite3.Error) and is_corrupt(error):
            try:
                self._database.set_aside(str(error))
            except (sqlite3.Error, OSError) as again:
                _log.error("%s: %s", self._database.path, again)

    def fine(self, more: str = "") -> None:
        """Note that it works. `more`: what else to tell if it did not before."""
        if self._since is not None:
            lasted, self._since = time.monotonic() - self._since, None
            _log.warning("%s: works again after %.1f s%s", self._database.path, lasted, more)
