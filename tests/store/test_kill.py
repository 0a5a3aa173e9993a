"""kill -9 at any moment: nothing that was answered is lost, and the file is never corrupt."""

import asyncio
import random
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from postward.store.database import connect
from postward.store.sqlite import SqliteStore

from .kill_program import NOW, WINDOWS

ROUNDS = 12
PROGRAM = [sys.executable, "-m", "tests.store.kill_program"]
ROOT = Path(__file__).parents[2]


def run_and_kill(path: Path, start: int, seconds: float) -> list[str]:
    """What the program answered before it died."""
    child = subprocess.Popen([*PROGRAM, path, str(start)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    first = child.stdout.readline()
    killer = time.monotonic() + seconds
    lines = [first]
    while time.monotonic() < killer:
        lines.append(child.stdout.readline())
    child.kill()
    lines += child.stdout.readlines()
    child.stdout.close()
    child.wait()
    return [line.strip() for line in lines if line.endswith("\n")]


async def used_in_all(store: SqliteStore) -> int:
    counts = [await store.counters.hit(f"key{each}", WINDOWS, 0, now=NOW, instance="") for each in range(7)]
    assert all(hour.used == day.used for hour, day in counts)
    return sum(hour.used for hour, _ in counts)


def test_what_was_answered_survives(tmp_path: Path) -> None:
    path, moments = tmp_path / "state.db", random.Random(3)
    hits: set[str] = set()
    tickets: set[str] = set()
    for number in range(ROUNDS):
        for line in run_and_kill(path, number * 10**6, moments.uniform(0, 0.08)):
            kind, _, what = line.partition(" ")
            (hits if kind == "hit" else tickets).add(what)
        with closing(connect(path, wait=1)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            found = {each for (each,) in connection.execute("SELECT id FROM tickets")}
            assert tickets <= found
    assert not list(tmp_path.glob("*corrupt*"))
    store = SqliteStore(path)
    used = asyncio.run(used_in_all(store))
    store.close()
    # at most one booking a round was written and not told
    assert len(hits) <= used <= len(hits) + ROUNDS
    assert len(hits) > 1_000
