"""Tickets in SQLite and nowhere else: a person may decide from another process, and that counts at once.

Opening, joining and deciding are committed with synchronous FULL: they survive a loss of power.
"""

import secrets
import sqlite3
from collections.abc import Mapping

from postward.state import BY_DEADLINE, Ticket
from postward.store import tickets
from postward.store.reader import Row
from postward.store.sqlite_words import SqliteWords
from postward.store.text import stored
from postward.store.tickets import read_counts, read_list, read_texts, spell

KEEP_WAITING = 30 * 86_400
"""Seconds after which a domain that no person decided about, and that stopped trying, is forgotten."""
KEEP_DECIDED = 400 * 86_400
"""The same where a person did."""
MAX_WAITING = MAX_DECIDED = 100_000
"""Tickets that wait and that are decided; beyond that those that would be forgotten first go."""
_MAX_ID = 64
_AT_ONCE = 200

_COLUMNS = (
    "id, domain, verdict, opened, last_seen, attempts, evidence, decided_by, note, knock, card, clients,"
    " reminders, decided, until, verified, since"
)
_BY_DOMAIN = f"SELECT {_COLUMNS} FROM tickets WHERE domain = ?"  # noqa: S608  # this module's words
_BY_ID = f"SELECT {_COLUMNS} FROM tickets WHERE id = ?"  # noqa: S608  # this module's own words
_NEWEST = f"SELECT {_COLUMNS} FROM tickets ORDER BY opened DESC LIMIT ?"  # noqa: S608  # this module's own words
_NEWEST_OF = f"SELECT {_COLUMNS} FROM tickets WHERE verdict = ? ORDER BY opened DESC LIMIT ?"  # noqa: S608  # this module's own words
_OPEN = f"INSERT OR REPLACE INTO tickets ({_COLUMNS}, expires) VALUES ({', '.join('?' * 18)})"  # noqa: S608  # this module's own words
_JOIN = (
    "UPDATE tickets SET attempts = ?, last_seen = ?, evidence = ?, knock = ?, clients = ?, verified = ?,"
    " expires = max(expires, ?) WHERE id = ?"
)
_OF_ANOTHER = "UPDATE tickets SET card = '{}', due = 0.0 WHERE id = ?"
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
_COUNT = "SELECT count(*) FROM tickets WHERE (verdict = 'waiting') = ?"
_FORGET_FIRST = (
    "DELETE FROM tickets WHERE id IN"
    " (SELECT id FROM tickets WHERE (verdict = 'waiting') = ? ORDER BY expires LIMIT ?)"
)


class SqliteHolds(SqliteWords):
    """`postward.state.Holds`."""

    def time(self, now: float) -> float:
        return self._timeline.at(now)

    async def meet(
        self, domain: str, *, now: float, evidence: str, knock: Mapping[str, str], verified: bool = False
    ) -> Ticket:
        domain = stored(domain.lower(), tickets.MAX_DOMAIN)
        attempt = tickets.Attempt(now, self.time(now), evidence, knock, verified)

        def open_or_join(connection: sqlite3.Connection) -> Ticket:
            row = connection.execute(_BY_DOMAIN, (domain,)).fetchone()
            if row is None:
                ticket = tickets.open_ticket(_free_id(connection), domain, attempt)
                connection.execute(_OPEN, (*_row(ticket), _expiry(ticket, attempt.at)))
                return ticket
            held = _ticket(row)
            ticket = tickets.join_ticket(held, attempt)
            expires = _expiry(ticket, attempt.at)
            if ticket.verdict != held.verdict:  # its verdict has ended
                connection.execute(_OPEN, (*_row(ticket), expires))
                return ticket
            texts = ticket.evidence, spell(ticket.knock), spell(ticket.clients), spell(ticket.verified)
            connection.execute(_JOIN, (ticket.attempts, ticket.last_seen, *texts, expires, ticket.id))
            if ticket.verified[:1] != held.verified[:1]:  # it is about another client now
                connection.execute(_OF_ANOTHER, (ticket.id,))
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
        at = self.time(now)
        wanted = stored(ticket_id.lower(), _MAX_ID)

        def decide(connection: sqlite3.Connection) -> Ticket | None:
            row = connection.execute(_BY_ID, (wanted,)).fetchone()
            if row is None:
                return None
            held = _ticket(row)
            if only_if not in (None, held.verdict):
                return None
            ticket = tickets.decide_ticket(held, verdict, now, by, note, until)
            what = ticket.verdict, ticket.decided_by, ticket.note, ticket.decided, ticket.until
            connection.execute(_DECIDE, (*what, _expiry(ticket, at), ticket.id))
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
        return tuple([_ticket(row) for row in await self._reader.read(_DUE, (self.time(now), limit))])

    async def put_due(self, times: Mapping[str, float]) -> None:
        rows = [(at, stored(ticket_id, _MAX_ID)) for ticket_id, at in times.items()]
        await self._writer.ask(lambda connection: connection.executemany(_PUT_DUE, rows).rowcount)

    async def put_all_due(self) -> None:
        await self._writer.ask(lambda connection: connection.execute(_PUT_ALL_DUE).rowcount)


def forget(connection: sqlite3.Connection, at: int) -> bool:
    """Delete some tickets that expired at `at` (ms) or are too many; True: there may be more. A chore."""
    gone = connection.execute(_FORGET, (at, _AT_ONCE)).rowcount
    if gone:
        return gone == _AT_ONCE
    return _forget_first(connection, 1, MAX_WAITING) or _forget_first(connection, 0, MAX_DECIDED)


def _forget_first(connection: sqlite3.Connection, waiting: int, most: int) -> bool:
    (count,) = connection.execute(_COUNT, (waiting,)).fetchone()
    return count > most and connection.execute(_FORGET_FIRST, (waiting, _AT_ONCE)).rowcount > 0


def _expiry(ticket: Ticket, at: float) -> int:
    """When a ticket that was met or decided at `at` (the store's own time) may be forgotten (ms)."""
    by_person = ticket.verdict != "waiting" and ticket.decided_by != BY_DEADLINE
    return int((at + (KEEP_DECIDED if by_person else KEEP_WAITING)) * 1000)


def _free_id(connection: sqlite3.Connection) -> str:
    while True:
        ticket_id = secrets.token_hex(4)
        if not connection.execute(_BY_ID, (ticket_id,)).fetchall():
            return ticket_id


def _ticket(row: Row) -> Ticket:
    texts = read_texts(row[9]), read_texts(row[10])
    values: Row = (
        *row[:9],
        *texts,
        read_list(row[11]),
        read_counts(row[12]),
        *row[13:15],
        read_list(row[15]),
        row[16],
    )
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
        spell(ticket.verified),
        ticket.since,
    )
