"""A SQLite file of ours: made, checked, migrated, and moved aside when it is corrupt.

A file with a newer schema, or one that is not ours, is refused and left as it is.
"""

import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from postward.state import StoreDown
from postward.store.schema import Schema

_log = logging.getLogger("postward.store")

BUSY = 1.5
"""Seconds to wait for another process's lock; with what surrounds it a verb still answers within 2."""
_KEPT_ASIDE = 5
"""Corrupt files kept beside the good one; older ones are deleted, so that they cannot fill the disk."""
_ASIDE_APART = 60.0
"""Seconds between two moves aside: a disk that spoils each new file is trouble, not a loop."""
_ODDEST_VERSION = 10_000
"""No schema gets as far: a larger number is damage to the file's header."""

_MANY = 64
"""Rows a statement."""
_CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class SchemaRefused(Exception):
    """The file was made by a newer Postward, or by something else. It has not been touched."""


class Database:
    """One file. `opened` counts how often a writer opened it, so that a reader sees it must follow.

    `pages`: after so many pages in the write-ahead log they are copied into the file.
    """

    def __init__(self, path: Path, schema: Schema, *, pages: int = 4000) -> None:
        self.path = path
        self._name = str(path)
        self.opened = 0
        self._schema = schema
        self._pages = pages
        self._inode = 0
        self._aside_at = -_ASIDE_APART

    def connect(self) -> sqlite3.Connection:
        """A connection that may write. Raises `sqlite3.Error`, `OSError` or `SchemaRefused`.

        A corrupt file is moved aside and a new one begun.
        """
        self._create()
        self._inode = self.path.stat().st_ino
        try:
            connection = self._open()
        except sqlite3.DatabaseError as error:
            if not is_corrupt(error):
                raise
            self.set_aside(str(error))
            self._create()
            self._inode = self.path.stat().st_ino
            connection = self._open()
        self.opened += 1
        return connection

    def reader(self) -> sqlite3.Connection:
        """A connection that only reads and never waits for a lock."""
        return connect(self.path, wait=0.0, read_only=True)

    def replaced(self) -> bool:
        """Whether another file, or none, stands where the one stood that `connect` opened."""
        try:
            return os.stat(self._name).st_ino != self._inode  # noqa: PTH116  # asked for each transaction
        except FileNotFoundError:
            return True

    def set_aside(self, why: str) -> None:
        """Rename the corrupt file and its write-ahead log, unless another process did already.

        Raises `sqlite3.DatabaseError` when that was done a moment ago: then the disk is the trouble.
        """
        if time.monotonic() - self._aside_at < _ASIDE_APART:
            raise sqlite3.DatabaseError(f"{self.path} is corrupt again: {why}")
        with lock_file(self.path, "moving"):
            if self.replaced():
                return
            self._aside_at = time.monotonic()
            aside = _unused(self.path, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
            for suffix in ("-wal", "-shm", ""):
                part = Path(f"{self.path}{suffix}")
                if part.exists():
                    part.rename(f"{aside}{suffix}")
            self._prune()
        _log.critical("%s is corrupt (%s): moved to %s; a new one begins empty", self.path, why, aside)

    def _open(self) -> sqlite3.Connection:
        connection = connect(self.path, wait=BUSY)
        try:
            self._settle(connection)
        except UnicodeDecodeError as error:  # SQLite's own message quotes the damaged text
            connection.close()
            raise _damage(f"the schema is no text: {error.reason}") from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _settle(self, connection: sqlite3.Connection) -> None:
        """Look before touching anything, then migrate and set the connection up."""
        with lock_file(self.path, "moving"):  # of several beginners one at a time
            version = self._version(connection)
            if not version:
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
                connection.execute("PRAGMA journal_mode = WAL")
                migrate(connection, self._schema)
        if version and connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise _damage("quick_check found damage")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {self._pages}")
        connection.execute(f"PRAGMA journal_size_limit = {self._pages * 4096}")
        connection.execute("PRAGMA secure_delete = FAST")
        if 0 < version < self._schema.version:
            migrate(connection, self._schema)
        if shape(connection) != _expected(self._schema):
            raise _damage("tables or indexes are missing or changed")

    def _version(self, connection: sqlite3.Connection) -> int:
        """The file's schema version, 0 for an empty file."""
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        mark = int(connection.execute("PRAGMA application_id").fetchone()[0])
        empty = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
        if version == 0 and mark == 0 and empty:
            return 0
        if mark != self._schema.mark:
            raise SchemaRefused(f"{self.path} is not a Postward {self._schema.name} file: move it away")
        if not 0 < version <= _ODDEST_VERSION:
            raise _damage(f"schema version {version}")
        if version > self._schema.version:
            raise SchemaRefused(
                f"{self.path} has schema version {version}, made by a newer Postward; this one knows versions"
                f" up to {self._schema.version}: install the newer one again, or move the file away"
            )
        return version

    def _create(self) -> None:
        """Make the file readable to its group and nobody else; SQLite gives its other files the same mode."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            handle = os.open(self.path, flags, 0o640)
        except FileExistsError:
            return
        try:
            os.fchmod(handle, 0o640)
            if os.geteuid() == 0:  # a command of root's must not leave the daemon a file it cannot write
                owner = self.path.parent.stat()
                os.fchown(handle, owner.st_uid, owner.st_gid)
        finally:
            os.close(handle)

    def _prune(self) -> None:
        beginning = f"{self.path.name}.corrupt-"
        names = [each.name for each in self.path.parent.iterdir() if each.name.startswith(beginning)]
        mains = sorted(name for name in names if not name.endswith(("-wal", "-shm")))
        for main in mains[:-_KEPT_ASIDE]:
            for suffix in ("", "-wal", "-shm"):
                self.path.with_name(f"{main}{suffix}").unlink(missing_ok=True)


def connect(path: Path, *, wait: float, read_only: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode that any one thread at a time may use. `wait`: seconds for a lock."""
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"
    connection = sqlite3.connect(uri, uri=True, timeout=wait, isolation_level=None, check_same_thread=False)
    connection.text_factory = _text
    return connection


def _text(octets: bytes) -> str:
    """A damaged text does not make its row unreadable."""
    return octets.decode("utf-8", "replace")


def is_corrupt(error: sqlite3.Error) -> bool:
    """Whether `error` says that the file's content is damaged (SQLITE_CORRUPT, SQLITE_NOTADB)."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF in _CORRUPT


def migrate(connection: sqlite3.Connection, schema: Schema, *, to: int | None = None) -> None:
    """Bring the file to version `to` (default: the schema's), each step in one transaction.

    Of two processes that try at once the second finds the step done.
    """
    for number, statements in enumerate(schema.migrations[:to], start=1):
        with transaction(connection):
            if connection.execute("PRAGMA user_version").fetchone()[0] >= number:
                continue
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {schema.mark}")
            connection.execute(f"PRAGMA user_version = {number}")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """A write transaction: all or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # some errors have rolled back by themselves
            connection.execute("ROLLBACK")
        raise


def write_rows(connection: sqlite3.Connection, sql: str, values: Sequence[Any], width: int) -> None:
    """Run `sql`, which has `VALUES {}`, for rows of `width` values that stand one after another.

    Many rows a statement: a thread gives the interpreter away once for it instead of once a row.
    """
    place = f"({', '.join('?' * width)})"
    start = 0
    for rows in (_MANY, 1):
        statement = sql.format(", ".join([place] * rows))
        size = rows * width
        while len(values) - start >= size:
            connection.execute(statement, values[start : start + size])
            start += size


def rows_of(connection: sqlite3.Connection, sql: str, keys: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The rows of `sql`, which has `IN {}`, for all `keys`."""
    for start in range(0, len(keys), _MANY):
        some = keys[start : start + _MANY]
        yield from connection.execute(sql.format(f"({', '.join('?' * len(some))})"), some)


def shape(connection: sqlite3.Connection) -> frozenset[tuple[str, str, str]]:
    """What tables and indexes the file says it has."""
    rows = connection.execute(
        "SELECT type, name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT GLOB 'sqlite_stat*'"
    )
    return frozenset(rows.fetchall())


def _expected(schema: Schema) -> frozenset[tuple[str, str, str]]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection, schema)
        return shape(connection)


@contextmanager
def lock_file(path: Path, job: str) -> Iterator[None]:
    """Hold `path`'s lock for `job` against other processes; waits for it."""
    handle = open_lock(path, job)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def open_lock(path: Path, job: str) -> int:
    """The open lock file for `job` beside `path`. (A lock on the file itself would end SQLite's own.)"""
    return os.open(f"{path}.{job}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)


def down(error: Exception) -> StoreDown:
    """What a caller of a verb gets to know of the driver's trouble."""
    return StoreDown(f"{type(error).__name__}: {error}")


def _damage(why: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(why)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _unused(path: Path, stamp: str) -> str:
    """A name for the file aside that nothing has yet."""
    name, number = f"{path}.corrupt-{stamp}", 1
    while Path(name).exists():
        number += 1
        name = f"{path}.corrupt-{stamp}-{number}"
    return name
