"""The history of ratings in SQLite: the last changes of each key that were worth telling."""

import sqlite3
from collections.abc import Mapping
from typing import NamedTuple

from postward.store.database import write_rows
from postward.store.text import stored

MAX_ROWS = 200_000
"""Changes in all; beyond that the oldest go."""
OF_ONE_KEY = 50
TOLD_AT_ONCE = 10
"""Changes of one key that one batch tells: the last ones."""
KEEP = 400 * 86_400
_MAX_BY = 100
_AT_ONCE = 500
_ANY_TIME = 2**62

HISTORY = "SELECT at, points, reason, made_by FROM rating_changes WHERE key = ? ORDER BY number DESC LIMIT ?"
_WRITE = "INSERT INTO rating_changes (key, at, points, reason, made_by, expires) VALUES {}"
_SHORTEN = (
    "DELETE FROM rating_changes WHERE key = ? AND number <="
    " (SELECT number FROM rating_changes WHERE key = ? ORDER BY number DESC LIMIT 1 OFFSET ?)"
)
_FORGET = (
    "DELETE FROM rating_changes WHERE number IN"
    " (SELECT number FROM rating_changes WHERE expires < ? ORDER BY expires LIMIT ?)"
)


class Change(NamedTuple):
    """One change to tell; `at`: wall clock, seconds; `expires`: ms of the store's own time."""

    at: float
    points: float
    reason: str
    by: str
    expires: int


def change_at(now: float, at: int, points: float, reason: str, by: str) -> Change:
    """A change made `now` (wall clock), which is `at` ms in the store's own time."""
    return Change(now, points, reason, stored(by, _MAX_BY), at + KEEP * 1000)


def write_changes(connection: sqlite3.Connection, told: Mapping[str, tuple[Change, ...]]) -> None:
    """Add to the history of some keys, and forget their oldest changes."""
    values: list[object] = []
    for key, changes in told.items():
        for change in changes:
            values.append(key)
            values += change
    write_rows(connection, _WRITE, values, 6)
    for key in told:
        connection.execute(_SHORTEN, (key, key, OF_ONE_KEY))


def forget(connection: sqlite3.Connection, at: int) -> bool:
    """Delete some of what has expired at `at` (ms), or is too much; True when there may be more. A chore."""
    gone = connection.execute(_FORGET, (at, _AT_ONCE)).rowcount
    if gone:
        return gone == _AT_ONCE
    (rows,) = connection.execute("SELECT count(*) FROM rating_changes").fetchone()
    return rows > MAX_ROWS and connection.execute(_FORGET, (_ANY_TIME, _AT_ONCE)).rowcount > 0
