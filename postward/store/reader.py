"""Reads on the event loop: from the page cache a row costs less than the way to another thread.

A reader never waits. Where it cannot read at once (a lock, trouble with the file) it says so, and
the question goes to the writer's thread, which waits, opens the file anew, or moves it aside.
"""

import sqlite3
from typing import Any

from postward.store.database import Database
from postward.store.kept import TROUBLE
from postward.store.writer import Writer

Row = tuple[Any, ...]


class Reader:
    """Reads `database`, and asks `writer` when that fails."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer
        self._connection: sqlite3.Connection | None = None
        self._opened = 0

    def rows(self, sql: str, parameters: tuple[Any, ...]) -> list[Row] | None:
        """The rows, or None: they cannot be read without waiting."""
        try:
            return self._connect().execute(sql, parameters).fetchall()
        except TROUBLE:
            self.close()
            return None

    async def wait_for_rows(self, sql: str, parameters: tuple[Any, ...]) -> list[Row]:
        """The rows, by way of the writer's thread. Raises `StoreDown`."""
        return await self._writer.ask(lambda connection: connection.execute(sql, parameters).fetchall())

    async def read(self, sql: str, parameters: tuple[Any, ...]) -> list[Row]:
        """The rows, without waiting if that is possible. Raises `StoreDown`."""
        rows = self.rows(sql, parameters)
        return rows if rows is not None else await self.wait_for_rows(sql, parameters)

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> sqlite3.Connection:
        """The connection, to the file that the writer has open."""
        if self._connection is None or self._opened != self._database.opened:
            self.close()
            self._opened = self._database.opened
            self._connection = self._database.reader()
        return self._connection
