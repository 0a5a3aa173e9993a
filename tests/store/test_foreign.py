"""Other processes: a person's word from one is heard in the other within a second; racing clients."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from postward.eager import Ready, start
from postward.state import Rating, Word
from postward.store.sqlite import SqliteStore
from tests.console.site import make
from tests.daemon.running import Running, Smtpd

NOW = 1_800_000_000.0
KEY = "network:192.0.2.0/24"
WORD = ("network", "192.0.2.0/24")
GREYLIST = """
shipped: off
rules:
  - name: greylist
    check: greylist
    with: {delay: 1h}
    then: defer
"""
PERSON = f"""
import asyncio, sys
from postward.state import Word
from postward.store.sqlite import SqliteStore

async def main():
    store = SqliteStore(sys.argv[1])
    await store.ratings.set({KEY!r}, 20, now={NOW}, by="root", reason="I know them")
    await store.holds.say(Word(*{WORD!r}, "approved", "root", "", {NOW}))
    await store.seen.forget("rdns 192.0.2.7")
    store.close()

asyncio.run(main())
"""
CLIENTS = 64


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "state.db")
    yield opened
    opened.close()


def test_a_persons_word_from_another_process_is_heard_within_a_second(
    store: SqliteStore, tmp_path: Path
) -> None:
    def heard() -> bool:
        words = start(store.holds.words((WORD,), now=NOW))
        rating = start(store.ratings.read((KEY,), now=NOW))
        met = start(store.seen.find("rdns 192.0.2.7", now=NOW))
        assert isinstance(words, Ready)
        assert isinstance(rating, Ready)
        assert isinstance(met, Ready)
        return (
            words.value == (Word(*WORD, "approved", "root", "", NOW),)
            and rating.value[0] is not None
            and rating.value[0].pinned
            and met.value is None
        )

    async def run() -> None:
        store.ratings.note((KEY,), -50, now=NOW, reason="spam")
        store.seen.note("rdns 192.0.2.7", now=NOW, keep=86_400)
        await asyncio.sleep(0)
        assert not heard()
        store.seen._behind.push()
        store.ratings._behind.push()
        person = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PERSON, str(tmp_path / "state.db"), cwd=Path(__file__).parents[2]
        )
        assert await person.wait() == 0
        end = time.monotonic() + 1
        while not heard():
            assert time.monotonic() < end, "not heard within a second"
            await asyncio.sleep(0.02)
        store.ratings.note((KEY,), -50, now=NOW, reason="spam")
        store.ratings._behind.push()
        await store._writer.ask(lambda connection: None)
        assert await store.ratings.rows(now=NOW) == (Rating(KEY, 20.0, 1.0, NOW, "I know them", pinned=True),)

    asyncio.run(run())


def test_notes_of_many_processes_add_up(tmp_path: Path) -> None:
    program = f"""
import asyncio, sys
from postward.store.sqlite import SqliteStore

async def main():
    store = SqliteStore(sys.argv[1])
    for _ in range(50):
        store.seen.note("key", now={NOW}, keep=86400)
        store.ratings.note(("key",), -0.25, now={NOW}, reason="why")
        await asyncio.sleep(0.005)
    store.close()

asyncio.run(main())
"""
    path = tmp_path / "state.db"
    SqliteStore(path).close()
    command = [sys.executable, "-c", program, str(path)]
    children = [subprocess.Popen(command, cwd=Path(__file__).parents[2]) for _ in range(4)]
    assert [child.wait() for child in children] == [0] * 4
    with closing(sqlite3.connect(path)) as connection:
        joined = "SELECT times, points, samples FROM seen JOIN ratings USING (key)"
        ((times, points, samples),) = connection.execute(joined).fetchall()
    assert (points, samples) == (-50.0, 200.0)
    assert 200 * 12 / 16 <= times <= 200  # above 64 each process may keep a sixteenth to itself


def together(path: str, ask: Callable[[Smtpd, int], str]) -> list[str]:
    """The answers to as many connections, all asking at the same moment."""
    ready = threading.Barrier(CLIENTS)
    answers: list[str] = []

    def client(number: int) -> None:
        with Smtpd(path) as smtpd:
            ready.wait(20)
            answers.append(ask(smtpd, number))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == CLIENTS
    return answers


def attempts(path: Path) -> list[tuple[int, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT attempts, passed FROM greylist").fetchall()


def test_of_64_clients_racing_at_policyd_one_is_the_first(tmp_path: Path) -> None:
    make(tmp_path, rules=GREYLIST)
    with Running("policyd", tmp_path) as daemon:
        answers = together(
            daemon.socket_path, lambda smtpd, number: smtpd.ask(helo_name=f"mx{number}.example")
        )
        assert all(answer.startswith("450 ") for answer in answers)
        daemon.stop()
    assert attempts(tmp_path / "state.db") == [(CLIENTS, 0)]


def test_of_64_clients_racing_with_different_keys_each_is_a_first(tmp_path: Path) -> None:
    make(tmp_path, rules=GREYLIST)
    with Running("policyd", tmp_path) as daemon:
        together(daemon.socket_path, lambda smtpd, number: smtpd.ask(sender=f"a{number}@example.net"))
        daemon.stop()
    assert attempts(tmp_path / "state.db") == [(1, 0)] * CLIENTS
