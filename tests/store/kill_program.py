"""Answers until it is killed: tells each answer on its standard output once the store has given it."""

import asyncio
import os
import sys

from postward.state import Window
from postward.store.sqlite import SqliteStore

NOW = 1_800_000_000.0
WINDOWS = (Window(10**9, 3_600), Window(10**9, 86_400))


async def main() -> None:
    store = SqliteStore(sys.argv[1])
    start = int(sys.argv[2])

    async def count() -> None:
        number = start
        while True:
            await store.counters.hit(f"key{number % 7}", WINDOWS, 1, now=NOW, instance=str(number))
            os.write(1, b"hit %d\n" % number)
            number += 1
            if number % 50 == 0:
                await asyncio.sleep(0)

    async def open_tickets() -> None:
        number = start
        while True:
            ticket = await store.holds.meet(f"d{number}.example", now=NOW, evidence="card", knock={})
            os.write(1, b"ticket %s\n" % ticket.id.encode())
            number += 1

    await asyncio.gather(count(), open_tickets(), open_tickets())


if __name__ == "__main__":
    asyncio.run(main())
