"""Holds in SQLite and nowhere else: a person may decide from another process, and that counts at once.

Opening, joining and deciding are committed with synchronous FULL: they survive a loss of power.
"""

import secrets
import sqlite3
from typing import Any

from postward.state import Ticket
from postward.store.reader import Reader
from postward.store.text import stored
from postward.store.timeline import Timeline
from postward.store.writer import Writer

VERDICTS = frozenset({"waiting", "approved", "denied"})
KEEP_WAITING = 30 * 86_400
"""Seconds after which a domain that nobody decided about, and that stopped trying, is forgotten."""
KEEP_DECIDED = 400 * 86_400
MAX_WAITING = 100_000
"""Waiting tickets; beyond that those that were not seen for the longest go."""
_MAX_DOMAIN = 255
_MAX_EVIDENCE = 16_384
_MAX_NOTE = 1_000
_AT_ONCE = 200

_COLUMNS = "id, domain, verdict, opened, last_seen, attempts, evidence, decided_by, note"
_BY_DOMAIN = f"SELECT {_COLUMNS} FROM tickets WHERE domain = ?"  # noqa: S608  # this module's words
_BY_ID = f"SELECT {_COLUMNS} FROM tickets WHERE id = ?"  # noqa: S608  # this module's own words
_NEWEST = f"SELECT {_COLUMNS} FROM tickets ORDER BY opened DESC LIMIT ?"  # noqa: S608  # this module's own words
_NEWEST_OF = f"SELECT {_COLUMNS} FROM tickets WHERE verdict = ? ORDER BY opened DESC LIMIT ?"  # noqa: S608  # this module's own words
_MEET = f"""
INSERT INTO tickets (id, domain, verdict, opened, last_seen, attempts, evidence, decided_by, note, expires)
VALUES (?, ?, 'waiting', ?, ?, 1, ?, '', '', ?)
ON CONFLICT (domain) DO UPDATE SET
    attempts = attempts + 1,
    last_seen = max(last_seen, excluded.last_seen),
    evidence = iif(evidence = '', excluded.evidence, evidence),
    expires = max(expires, iif(verdict = 'waiting', excluded.expires, ?))
RETURNING {_COLUMNS}
"""  # noqa: S608  # this module's own words
_DECIDE = f"""
UPDATE tickets SET verdict = ?, decided_by = ?, note = ?, expires = max(expires, ?) WHERE id = ?
RETURNING {_COLUMNS}
"""  # noqa: S608  # this module's own words
_FORGET = "DELETE FROM tickets WHERE id IN (SELECT id FROM tickets WHERE expires < ? LIMIT ?)"
_FORGET_WAITING = (
    "DELETE FROM tickets WHERE id IN"
    " (SELECT id FROM tickets WHERE verdict = 'waiting' ORDER BY expires LIMIT ?)"
)


class SqliteHolds:
    """`postward.tools.Holds`."""

    def __init__(self, writer: Writer, reader: Reader, timeline: Timeline) -> None:
        self._writer = writer
        self._reader = reader
        self._timeline = timeline

    async def meet(self, domain: str, *, now: float, evidence: str) -> Ticket:
        domain, evidence = stored(domain.lower(), _MAX_DOMAIN), stored(evidence, _MAX_EVIDENCE)
        waiting, decided = self._expiry(now)

        def open_or_join(connection: sqlite3.Connection) -> list[Any]:
            while True:
                ticket = secrets.token_hex(4)
                values = (ticket, domain, now, now, evidence, waiting, decided)
                if not connection.execute(_BY_ID, (ticket,)).fetchall():
                    return connection.execute(_MEET, values).fetchall()

        return Ticket(*(await self._writer.ask(open_or_join, full=True))[0])

    async def find(self, ticket_or_domain: str) -> Ticket | None:
        wanted = stored(ticket_or_domain.lower(), _MAX_DOMAIN)
        rows = await self._reader.read(_BY_ID, (wanted,)) or await self._reader.read(_BY_DOMAIN, (wanted,))
        return Ticket(*rows[0]) if rows else None

    async def decide(self, ticket_id: str, verdict: str, *, now: float, by: str, note: str) -> Ticket | None:
        if verdict not in VERDICTS:
            raise ValueError(f"a ticket is waiting, approved or denied, not {verdict!r}")
        waiting, decided = self._expiry(now)
        expires = waiting if verdict == "waiting" else decided
        values = (
            verdict,
            stored(by, _MAX_NOTE),
            stored(note, _MAX_NOTE),
            expires,
            stored(ticket_id.lower(), 64),
        )
        rows = await self._writer.ask(
            lambda connection: connection.execute(_DECIDE, values).fetchall(), full=True
        )
        return Ticket(*rows[0]) if rows else None

    async def tickets(self, verdict: str | None = None, *, limit: int = 100) -> tuple[Ticket, ...]:
        if verdict is None:
            rows = await self._reader.read(_NEWEST, (limit,))
        else:
            rows = await self._reader.read(_NEWEST_OF, (verdict, limit))
        return tuple([Ticket(*row) for row in rows])

    def _expiry(self, now: float) -> tuple[int, int]:
        """When a ticket seen now may be forgotten (ms): while it waits, and once it is decided."""
        at = self._timeline.at(now)
        return int((at + KEEP_WAITING) * 1000), int((at + KEEP_DECIDED) * 1000)


def forget(connection: sqlite3.Connection, at: int) -> bool:
    """Delete some tickets that expired at `at` (ms) or are too many; True: there may be more. A chore."""
    gone = connection.execute(_FORGET, (at, _AT_ONCE)).rowcount
    if gone:
        return gone == _AT_ONCE
    (waiting,) = connection.execute("SELECT count(*) FROM tickets WHERE verdict = 'waiting'").fetchone()
    return waiting > MAX_WAITING and connection.execute(_FORGET_WAITING, (_AT_ONCE,)).rowcount > 0
