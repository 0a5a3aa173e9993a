"""The tables of the state file, as numbered migrations.

Migration n takes a file of version n - 1 (0: empty) to version n, in one transaction. A migration
that was ever released is never edited; a change is a new one. Times are whole milliseconds of the
store's own time (`postward.store.timeline`) except those that people read (in `tickets`, `words` and
`rating_changes`): wall clock, seconds.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schema:
    """What a file holds. `mark` is its application id, so that a stranger's file is never touched."""

    name: str
    mark: int
    migrations: tuple[tuple[str, ...], ...]

    @property
    def version(self) -> int:
        """The version that this Postward reads and writes."""
        return len(self.migrations)


STATE = Schema(
    "state",
    0x50575354,  # PWST
    (
        (
            # `timeline`: one row, where the store's own time was and what the wall clock showed
            "CREATE TABLE timeline (one INTEGER PRIMARY KEY CHECK (one = 1), latest INTEGER NOT NULL,"
            " wall INTEGER NOT NULL) STRICT",
            "CREATE TABLE greylist (key TEXT PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL,"
            " expires INTEGER NOT NULL, attempts INTEGER NOT NULL, passed INTEGER NOT NULL)"
            " STRICT, WITHOUT ROWID",
            "CREATE INDEX greylist_expires ON greylist (expires)",
            # what was booked: one row a slice
            "CREATE TABLE counts (key TEXT NOT NULL, seconds INTEGER NOT NULL, slice INTEGER NOT NULL,"
            " used INTEGER NOT NULL, expires INTEGER NOT NULL, PRIMARY KEY (key, seconds, slice))"
            " STRICT, WITHOUT ROWID",
            "CREATE INDEX counts_expires ON counts (expires)",
            # one row: what the hit log has up to this octet of the file with this serial is in `counts`
            "CREATE TABLE folded (one INTEGER PRIMARY KEY CHECK (one = 1), serial INTEGER NOT NULL,"
            " end INTEGER NOT NULL) STRICT",
            "INSERT INTO folded VALUES (1, 0, 0)",
        ),
        (
            "CREATE TABLE tickets (id TEXT PRIMARY KEY, domain TEXT NOT NULL UNIQUE, verdict TEXT NOT NULL"
            " CHECK (verdict IN ('waiting', 'approved', 'denied')), opened REAL NOT NULL,"
            " last_seen REAL NOT NULL, attempts INTEGER NOT NULL, evidence TEXT NOT NULL,"
            " decided_by TEXT NOT NULL, note TEXT NOT NULL, expires INTEGER NOT NULL) STRICT",
            "CREATE INDEX tickets_opened ON tickets (opened)",
            "CREATE INDEX tickets_verdict ON tickets (verdict, opened)",
            "CREATE INDEX tickets_expires ON tickets (expires)",
        ),
        (
            # `knock`, `card`: JSON objects of texts; `clients`: a JSON array of texts
            "ALTER TABLE tickets ADD COLUMN knock TEXT NOT NULL DEFAULT '{}'",
            "ALTER TABLE tickets ADD COLUMN card TEXT NOT NULL DEFAULT '{}'",
            "ALTER TABLE tickets ADD COLUMN clients TEXT NOT NULL DEFAULT '[]'",
            "ALTER TABLE tickets ADD COLUMN reminded INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE tickets ADD COLUMN decided REAL NOT NULL DEFAULT 0.0",
            # a person's words; `until` NULL: they do not end
            "CREATE TABLE words (kind TEXT NOT NULL, value TEXT NOT NULL, verdict TEXT NOT NULL,"
            " said_by TEXT NOT NULL, note TEXT NOT NULL, at REAL NOT NULL, until REAL,"
            " expires INTEGER NOT NULL, PRIMARY KEY (kind, value)) STRICT, WITHOUT ROWID",
            "CREATE INDEX words_at ON words (at)",
            "CREATE INDEX words_expires ON words (expires)",
            "CREATE TABLE seen (key TEXT PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL,"
            " expires INTEGER NOT NULL, times INTEGER NOT NULL, value TEXT NOT NULL)"
            " STRICT, WITHOUT ROWID",
            "CREATE INDEX seen_expires ON seen (expires)",
            # points and samples as they were when `updated`
            "CREATE TABLE ratings (key TEXT PRIMARY KEY, points REAL NOT NULL, samples REAL NOT NULL,"
            " updated INTEGER NOT NULL, reason TEXT NOT NULL, pinned INTEGER NOT NULL,"
            " expires INTEGER NOT NULL) STRICT, WITHOUT ROWID",
            "CREATE INDEX ratings_expires ON ratings (expires)",
            "CREATE TABLE rating_changes (number INTEGER PRIMARY KEY, key TEXT NOT NULL, at REAL NOT NULL,"
            " points REAL NOT NULL, reason TEXT NOT NULL, made_by TEXT NOT NULL,"
            " expires INTEGER NOT NULL) STRICT",
            "CREATE INDEX rating_changes_key ON rating_changes (key, number)",
            "CREATE INDEX rating_changes_expires ON rating_changes (expires)",
            # raised with each word of a person, so that other processes read again
            "CREATE TABLE changes (noun TEXT PRIMARY KEY, serial INTEGER NOT NULL) STRICT, WITHOUT ROWID",
        ),
        (
            # `until` NULL: the verdict does not end; `reminders`: a JSON object, way -> how many;
            # `due`: when the clerk looks at it again
            "ALTER TABLE tickets ADD COLUMN until REAL",
            "ALTER TABLE tickets ADD COLUMN reminders TEXT NOT NULL DEFAULT '{}'",
            "ALTER TABLE tickets ADD COLUMN due REAL NOT NULL DEFAULT 0.0",
            "UPDATE tickets SET reminders = '{\"mail\": ' || reminded || ', \"webhook\": ' || reminded || '}'"
            " WHERE reminded > 0",
            "CREATE INDEX tickets_due ON tickets (verdict, due, opened)",
            # the ticket that a word was said about: before, it was told by the time
            "ALTER TABLE words ADD COLUMN ticket TEXT NOT NULL DEFAULT ''",
            "CREATE INDEX tickets_decided ON tickets (decided)",
            "UPDATE words SET ticket = coalesce((SELECT id FROM tickets WHERE decided = words.at), '')",
            "DROP INDEX tickets_decided",
            # before, what was said of a client alone, or for a while, closed the ticket for good
            "UPDATE tickets SET verdict = 'waiting', decided_by = '', decided = 0.0"
            " WHERE verdict != 'waiting' AND id IN (SELECT ticket FROM words WHERE ticket != '')"
            " AND id NOT IN (SELECT ticket FROM words WHERE kind = 'domain')",
            "UPDATE tickets SET until = (SELECT until FROM words"
            " WHERE kind = 'domain' AND value = tickets.domain AND ticket = tickets.id)"
            " WHERE verdict != 'waiting'",
        ),
        (
            # `verified`, `clients`: JSON arrays of texts; `since`: seconds of the store's own time, which
            # until now was the wall clock where that had not jumped
            "ALTER TABLE tickets ADD COLUMN verified TEXT NOT NULL DEFAULT '[]'",
            "ALTER TABLE tickets ADD COLUMN since REAL NOT NULL DEFAULT 0.0",
            "UPDATE tickets SET since = opened",
            "ALTER TABLE words ADD COLUMN clients TEXT NOT NULL DEFAULT '[]'",
            "UPDATE words SET clients = coalesce((SELECT clients FROM tickets WHERE id = words.ticket), '[]')"
            " WHERE verdict = 'approved'",
        ),
    ),
)
