-- A state file of schema version 2, as it was made: never edit.
CREATE TABLE counts (key TEXT NOT NULL, seconds INTEGER NOT NULL, slice INTEGER NOT NULL, used INTEGER NOT NULL, expires INTEGER NOT NULL, PRIMARY KEY (key, seconds, slice)) STRICT, WITHOUT ROWID;
INSERT INTO "counts" VALUES('busy',3600,30000000,4,1899999000000);
CREATE TABLE folded (one INTEGER PRIMARY KEY CHECK (one = 1), serial INTEGER NOT NULL, end INTEGER NOT NULL) STRICT;
INSERT INTO "folded" VALUES(1,0,0);
CREATE TABLE greylist (key TEXT PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL, expires INTEGER NOT NULL, attempts INTEGER NOT NULL, passed INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO "greylist" VALUES('known',1799990000000,1799999000000,1899999000000,7,1);
CREATE TABLE tickets (id TEXT PRIMARY KEY, domain TEXT NOT NULL UNIQUE, verdict TEXT NOT NULL CHECK (verdict IN ('waiting', 'approved', 'denied')), opened REAL NOT NULL, last_seen REAL NOT NULL, attempts INTEGER NOT NULL, evidence TEXT NOT NULL, decided_by TEXT NOT NULL, note TEXT NOT NULL, expires INTEGER NOT NULL) STRICT;
INSERT INTO "tickets" VALUES('0badcafe','held.example','approved',1799990000.0,1799990060.0,3,'no-ptr','root','asked them',1899999000000);
CREATE TABLE timeline (one INTEGER PRIMARY KEY CHECK (one = 1), latest INTEGER NOT NULL, wall INTEGER NOT NULL) STRICT;
INSERT INTO "timeline" VALUES(1,1800000000000,1800000000000);
CREATE INDEX greylist_expires ON greylist (expires);
CREATE INDEX counts_expires ON counts (expires);
CREATE INDEX tickets_opened ON tickets (opened);
CREATE INDEX tickets_verdict ON tickets (verdict, opened);
CREATE INDEX tickets_expires ON tickets (expires);
PRAGMA application_id = 1347900244;
PRAGMA user_version = 2;
