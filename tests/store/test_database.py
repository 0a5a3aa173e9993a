"""The file itself: made private, migrated, refused, moved aside."""

import logging
import os
import random
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from postward.store.database import Database, SchemaRefused, connect, is_corrupt, migrate, shape
from postward.store.schema import STATE, Schema

OLD = [(Path(__file__).parent / f"version_{number}.sql").read_text() for number in (1, 2, 3, 4)]
VERSION_1 = OLD[0]


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    before = os.umask(0)
    yield tmp_path / "state.db"
    os.umask(before)


def make(path: Path, rows: int = 0) -> None:
    """A good file, with some rows, closed."""
    with closing(Database(path, STATE).connect()) as connection:
        for row in range(rows):
            values = (f"192.0.2.{row}|sender{row}@example.org|{'x' * 50}", row, row, row, 1, 0)
            connection.execute("INSERT INTO greylist VALUES (?, ?, ?, ?, ?, ?)", values)


def aside(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir() if ".corrupt-" in each.name)


def test_a_new_file_is_for_owner_and_group_only(path: Path) -> None:
    connection = Database(path, STATE).connect()
    made = {each.name: each.stat().st_mode & 0o777 for each in path.parent.glob("state.db*")}
    connection.close()
    assert made["state.db"] == made["state.db-wal"] == made["state.db-shm"] == 0o640


def test_a_link_in_the_place_of_the_file_is_not_followed(path: Path) -> None:
    path.symlink_to(path.parent / "elsewhere")
    with pytest.raises((OSError, sqlite3.Error)):
        Database(path, STATE).connect()
    assert not (path.parent / "elsewhere").exists()


def test_a_new_file_has_the_newest_schema_and_a_write_ahead_log(path: Path) -> None:
    with closing(Database(path, STATE).connect()) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (STATE.version,)
        assert connection.execute("PRAGMA application_id").fetchone() == (STATE.mark,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (1,)  # NORMAL


@pytest.mark.parametrize("schema", [STATE])
def test_beginners_at_the_same_time_make_one_file(path: Path, schema: Schema) -> None:
    failed: list[BaseException] = []

    def begin() -> None:
        try:
            Database(path, schema).connect().close()
        except (sqlite3.Error, OSError, SchemaRefused) as error:
            failed.append(error)

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failed == []
    assert aside(path) == []


def test_what_was_decided_in_version_3_is_about_what_was_named(path: Path) -> None:
    """There, a word about a client, or for a while, closed its ticket for the whole domain for good."""
    with closing(sqlite3.connect(path)) as old:
        old.executescript(OLD[2])
    with closing(Database(path, STATE).connect()) as connection:
        rows = connection.execute("SELECT domain, verdict, until, reminders FROM tickets ORDER BY domain")
        assert rows.fetchall() == [
            ("client.example", "waiting", None, '{"mail": 2, "webhook": 2}'),
            ("domain.example", "denied", None, "{}"),
            ("held.example", "approved", None, "{}"),
            ("while.example", "approved", 1800003600.0, "{}"),
        ]
        words = connection.execute("SELECT value, ticket FROM words ORDER BY value")
        assert words.fetchall() == [
            ("192.0.2.1", "0000000a"),
            ("domain.example", "0000000b"),
            ("old.example", ""),
            ("while.example", "0000000c"),
        ]


def test_what_was_approved_in_version_4_holds_for_the_clients_of_its_ticket(path: Path) -> None:
    with closing(sqlite3.connect(path)) as old:
        old.executescript(OLD[3])
    with closing(Database(path, STATE).connect()) as connection:
        words = connection.execute("SELECT value, clients FROM words ORDER BY value")
        assert words.fetchall() == [
            ("192.0.2.1", "[]"),
            ("domain.example", "[]"),
            ("old.example", "[]"),
            ("while.example", '["192.0.2.1"]'),
        ]
        rows = connection.execute("SELECT DISTINCT since - opened, verified FROM tickets")
        assert rows.fetchall() == [(0.0, "[]")]


@pytest.mark.parametrize("old_file", OLD, ids=["1", "2", "3", "4"])
def test_an_older_version_is_migrated_and_keeps_its_rows(path: Path, old_file: str) -> None:
    with closing(sqlite3.connect(path)) as old:
        old.executescript(old_file)
    with (
        closing(Database(path, STATE).connect()) as connection,
        closing(sqlite3.connect(":memory:")) as fresh,
    ):
        assert connection.execute("PRAGMA user_version").fetchone() == (STATE.version,)
        assert connection.execute("SELECT attempts FROM greylist WHERE key = 'known'").fetchone() == (7,)
        tickets = connection.execute(
            "SELECT id, knock, card, clients FROM tickets WHERE domain = 'held.example'"
        )
        assert tickets.fetchall() == ([("0badcafe", "{}", "{}", "[]")] if old_file != VERSION_1 else [])
        fresh.isolation_level = None
        migrate(fresh, STATE)
        assert shape(connection) == shape(fresh)


def test_a_migration_that_fails_leaves_the_version_before(path: Path) -> None:
    with closing(sqlite3.connect(path)) as old:
        old.executescript(VERSION_1)
    broken = Schema("state", STATE.mark, (STATE.migrations[0], ("CREATE TABLE more (a) STRICT", "nonsense")))
    with pytest.raises(sqlite3.OperationalError):
        Database(path, broken).connect()
    with closing(sqlite3.connect(path)) as after:
        assert after.execute("PRAGMA user_version").fetchone() == (1,)
        assert after.execute("SELECT name FROM sqlite_schema WHERE name = 'more'").fetchall() == []


def test_a_newer_schema_is_refused_and_not_touched(path: Path) -> None:
    make(path, 5)
    with closing(sqlite3.connect(path)) as newer:
        newer.execute(f"PRAGMA user_version = {STATE.version + 5}")
    before = path.read_bytes()
    with pytest.raises(
        SchemaRefused, match=rf"version {STATE.version + 5}.*newer Postward.*up to {STATE.version}"
    ):
        Database(path, STATE).connect()
    assert path.read_bytes() == before
    assert aside(path) == []


def test_a_strangers_file_is_refused_and_not_touched(path: Path) -> None:
    with closing(sqlite3.connect(path)) as stranger:
        stranger.execute("CREATE TABLE cookies (name TEXT)")
        stranger.commit()
    before = path.read_bytes()
    with pytest.raises(SchemaRefused, match="not a Postward state file"):
        Database(path, STATE).connect()
    assert path.read_bytes() == before


def test_another_database_is_not_taken_for_a_state_file(path: Path) -> None:
    Database(path, Schema("other", 0x11111111, (("CREATE TABLE one (id INTEGER)",),))).connect().close()
    with pytest.raises(SchemaRefused, match="not a Postward state file"):
        Database(path, STATE).connect()


def test_what_is_no_database_is_moved_aside_with_an_alarm(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(b"this is not a database " * 1_000)
    Database(path, STATE).connect().close()
    (name,) = aside(path)
    assert path.with_name(name).read_bytes().startswith(b"this is not")
    assert [record.levelno for record in caplog.records] == [logging.CRITICAL]


def test_a_missing_table_is_damage(path: Path) -> None:
    make(path)
    with closing(sqlite3.connect(path)) as damaged:
        damaged.execute("DROP TABLE counts")
        damaged.commit()
    Database(path, STATE).connect().close()
    assert len(aside(path)) == 1


def test_a_file_that_is_corrupt_again_at_once_is_trouble_and_not_a_loop(path: Path) -> None:
    path.write_bytes(b"no database at all " * 1_000)
    database = Database(path, STATE)
    database.connect().close()
    path.write_bytes(b"no database at all " * 1_000)
    with pytest.raises(sqlite3.DatabaseError, match="corrupt again"):
        database.connect()
    assert len(aside(path)) == 1


def test_few_corrupt_files_are_kept(path: Path) -> None:
    for number in range(9):
        path.with_name(f"state.db.corrupt-20260101T00000{number}Z").write_bytes(b"")
        path.with_name(f"state.db.corrupt-20260101T00000{number}Z-wal").write_bytes(b"")
    path.write_bytes(b"no database at all " * 1_000)
    Database(path, STATE).connect().close()
    assert len([name for name in aside(path) if not name.endswith("-wal")]) == 5


def test_a_flipped_octet_anywhere_never_raises_anything_else(path: Path) -> None:
    """Each flip: the file is good, or moved aside, or refused with words; a good one can be read."""
    make(path, 60)
    good, flips = path.read_bytes(), random.Random(7)
    for _ in range(300):
        for each in path.parent.iterdir():
            each.unlink()
        octets = bytearray(good)
        octets[flips.randrange(len(octets))] ^= 1 << flips.randrange(8)
        path.write_bytes(octets)
        try:
            connection = Database(path, STATE).connect()
        except SchemaRefused:
            continue
        with closing(connection):
            try:
                connection.execute("SELECT * FROM greylist").fetchall()
            except sqlite3.DatabaseError as error:
                assert is_corrupt(error)


def test_a_cut_write_ahead_log_is_read_as_far_as_it_goes(path: Path) -> None:
    writer = Database(path, STATE).connect()
    for row in range(50):
        writer.execute("INSERT INTO greylist VALUES (?, 1, 1, 1, 1, 0)", (f"key {row}",))
    main, log = path.read_bytes(), Path(f"{path}-wal").read_bytes()
    writer.close()
    for cut in (0, 10, 31, 32, 500, len(log) // 2, len(log) - 1):
        path.write_bytes(main)
        Path(f"{path}-wal").write_bytes(log[:cut])
        with closing(Database(path, STATE).connect()) as connection:
            (rows,) = connection.execute("SELECT count(*) FROM greylist").fetchone()
            assert rows < 50 or cut == len(log)


def test_a_text_that_is_no_utf_8_can_be_read(path: Path) -> None:
    make(path)
    with closing(connect(path, wait=0)) as connection:
        connection.execute("INSERT INTO greylist VALUES (CAST(x'61ff62' AS TEXT), 1, 1, 1, 1, 0)")
        assert connection.execute("SELECT key FROM greylist").fetchall() == [("a\ufffdb",)]
