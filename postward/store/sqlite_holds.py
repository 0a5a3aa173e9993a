"""Tickets in SQLite and nowhere else: a person may decide from another process, and that counts at once.

Opening, joining and deciding are committed with synchronous FULL: they survive a loss of power.
"""

import secrets
import sqlite3
from collections.abc import Mapping

from postward.state import Ticket
from postward.store import tickets
from postward.store.reader import Row
from postward.store.sqlite_words import SqliteWords
from postward.store.text import stored
from postward.store.tickets import read_counts, read_list, read_texts, spell

KEEP_WAITING = 30 * 86_400
"""Seconds after which a domain that nobody decided about, and that stopped trying, is forgotten."""
KEEP_DECIDED = 400 * 86_400
MAX_WAITING = 100_000
"""Waiting tickets; beyond that those that were not seen for the longest go."""
_MAX_ID = 64
_AT_ONCE = 200

_COLUMNS = (
    "id, domain, verdict, opened, last_seen, attempts, evidence, decided_by, note, knock, card, clients,"
    " reminders, decided, until"
)
_BY_DOMAIN = f"SELECT {_COLUMNS} FROM tickets WHERE domain = ?"  # noqa: S608  # this module's words
_BY_ID = f"SELECT {_COLUMNS} FROM tickets WHERE id = ?"  # noqa: S608  # this module's own words
_NEWEST = f"SELECT {_COLUMNS} FROM tickets ORDER BY opened DESC LIMIT ?"  # noqa: S608  # this module's own words
_NEWEST_OF = f"SELECT {_COLUMNS} FROM tickets WHERE verdict = ? ORDER BY opened DESC LIMIT ?"  # noqa: S608  # this module's own words
_OPEN = f"INSERT OR REPLACE INTO tickets ({_COLUMNS}, expires) VALUES ({', '.join('?' * 16)})"  # noqa: S608  # this module's own words
_JOIN = (
    "UPDATE tickets SET attempts = ?, last_seen = ?, evidence = ?, knock = ?, clients = ?,"
    " expires = max(expires, ?) WHERE id = ?"
)
_DECIDE = (
    "UPDATE tickets SET verdict = ?, decided_by = ?, note = ?, decided = ?, until = ?, due = 0.0,"
    " expires = max(expires, ?) WHERE id = ?"
)
_DUE = f"SELECT {_COLUMNS} FROM tickets WHERE verdict = 'waiting' AND due <= ? ORDER BY due, opened LIMIT ?"  # noqa: S608  # this module's own words
_PUT_CARD = "UPDATE tickets SET card = ? WHERE id = ?"
_PUT_REMINDERS = "UPDATE tickets SET reminders = ? WHERE id = ?"
_PUT_DUE = "UPDATE tickets SET due = ? WHERE id = ?"
_PUT_ALL_DUE = "UPDATE tickets SET due = 0.0 WHERE verdict = 'waiting' AND due > 0.0"
_FORGET = "DELETE FROM tickets WHERE id IN (SELECT id FROM tickets WHERE expires < ? LIMIT ?)"
_FORGET_WAITING = (
    "DELETE FROM tickets WHERE id IN"
    " (SELECT id FROM tickets WHERE verdict = 'waiting' ORDER BY expires LIMIT ?)"
)


class SqliteHolds(SqliteWords):
    """`postward.state.Holds`."""

    async def meet(self, domain: str, *, now: float, evidence: str, knock: Mapping[str, str]) -> Ticket:
        domain = stored(domain.lower(), tickets.MAX_DOMAIN)
        waiting, decided = self._expiry(now)

        def open_or_join(connection: sqlite3.Connection) -> Ticket:
            row = connection.execute(_BY_DOMAIN, (domain,)).fetchone()
            if row is None:
                ticket = tickets.open_ticket(_free_id(connection), domain, now, evidence, knock)
                connection.execute(_OPEN, (*_row(ticket), waiting))
                return ticket
            held = _ticket(row)
            ticket = tickets.join_ticket(held, now, evidence, knock)
            if ticket.verdict != held.verdict:  # its verdict has ended
                connection.execute(_OPEN, (*_row(ticket), waiting))
                return ticket
            expires = waiting if ticket.verdict == "waiting" else decided
            texts = ticket.evidence, spell(ticket.knock), spell(ticket.clients)
            connection.execute(_JOIN, (ticket.attempts, ticket.last_seen, *texts, expires, ticket.id))
            return ticket

        return await self._writer.ask(open_or_join, full=True)

    async def find(self, ticket_or_domain: str) -> Ticket | None:
        wanted = stored(ticket_or_domain.lower(), tickets.MAX_DOMAIN)
        rows = await self._reader.read(_BY_ID, (wanted,)) or await self._reader.read(_BY_DOMAIN, (wanted,))
        return _ticket(rows[0]) if rows else None

    async def decide(
        self,
        ticket_id: str,
        verdict: str,
        *,
        now: float,
        by: str,
        note: str,
        until: float | None = None,
        only_if: str | None = None,
    ) -> Ticket | None:
        tickets.check_verdict(verdict)
        waiting, decided = self._expiry(now)
        wanted = stored(ticket_id.lower(), _MAX_ID)

        def decide(connection: sqlite3.Connection) -> Ticket | None:
            row = connection.execute(_BY_ID, (wanted,)).fetchone()
            if row is None:
                return None
            held = _ticket(row)
            if only_if not in (None, held.verdict):
                return None
            ticket = tickets.decide_ticket(held, verdict, now, by, note, until)
            expires = waiting if verdict == "waiting" else decided
            what = ticket.verdict, ticket.decided_by, ticket.note, ticket.decided, ticket.until
            connection.execute(_DECIDE, (*what, expires, ticket.id))
            return ticket

        return await self._writer.ask(decide, full=True)

    async def tickets(self, verdict: str | None = None, *, limit: int = 100) -> tuple[Ticket, ...]:
        if verdict is None:
            rows = await self._reader.read(_NEWEST, (limit,))
        else:
            rows = await self._reader.read(_NEWEST_OF, (verdict, limit))
        return tuple([_ticket(row) for row in rows])

    async def put_card(self, ticket_id: str, card: Mapping[str, str]) -> None:
        values = spell(tickets.bounded(card)), stored(ticket_id.lower(), _MAX_ID)
        await self._writer.ask(lambda connection: connection.execute(_PUT_CARD, values).rowcount)

    async def put_reminded(self, ticket_id: str, way: str, reminded: int) -> None:
        wanted = stored(ticket_id.lower(), _MAX_ID)

        def put(connection: sqlite3.Connection) -> None:
            row = connection.execute(_BY_ID, (wanted,)).fetchone()
            if row is not None:
                ticket = tickets.remind_ticket(_ticket(row), way, reminded)
                connection.execute(_PUT_REMINDERS, (spell(ticket.reminded), ticket.id))

        await self._writer.ask(put)

    async def due(self, *, now: float, limit: int) -> tuple[Ticket, ...]:
        return tuple([_ticket(row) for row in await self._reader.read(_DUE, (now, limit))])

    async def put_due(self, times: Mapping[str, float]) -> None:
        rows = [(at, stored(ticket_id, _MAX_ID)) for ticket_id, at in times.items()]
        await self._writer.ask(lambda connection: connection.executemany(_PUT_DUE, rows).rowcount)

    async def put_all_due(self) -> None:
        await self._writer.ask(lambda connection: connection.execute(_PUT_ALL_DUE).rowcount)

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


def _free_id(connection: sqlite3.Connection) -> str:
    while True:
        ticket_id = secrets.token_hex(4)
        if not connection.execute(_BY_ID, (ticket_id,)).fetchall():
            return ticket_id


def _ticket(row: Row) -> Ticket:
    texts = read_texts(row[9]), read_texts(row[10])
    values: Row = (*row[:9], *texts, read_list(row[11]), read_counts(row[12]), *row[13:])
    return Ticket(*values)


def _row(ticket: Ticket) -> Row:
    """In the order of the columns."""
    return (
        ticket.id,
        ticket.domain,
        ticket.verdict,
        ticket.opened,
        ticket.last_seen,
        ticket.attempts,
        ticket.evidence,
        ticket.decided_by,
        ticket.note,
        spell(ticket.knock),
        spell(ticket.card),
        spell(ticket.clients),
        spell(ticket.reminded),
        ticket.decided,
        ticket.until,
    )
