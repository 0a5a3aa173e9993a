"""policyd with all that can be switched on, and with the memory of a site that has run for a year.

DNS lists for addresses and names, a database of networks, a list of hosting networks, ratings, known
correspondents, remembered words, waiting tickets, traps, limits of attempts, the greylist and the hold.
"""

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.bench import crowd, mixed, resolver
from lab.bench.contender import Running
from lab.bench.policypeers import GREYLIST_DELAY
from lab.bench.serving import serving
from lab.bench.traffic import OWN_DOMAIN
from lab.daemons import Daemons
from postward.address import parse
from postward.derive import correspondent, rating_key
from postward.state import Word
from postward.store.factory import OpenStore, open_store

RANGES = 400_000
HOSTING = 5_000
RATINGS = 50_000
CORRESPONDENTS = 50_000
WORDS = 500
TICKETS = 500
DNS_CACHE = 50_000
"""Answers; each client of the crowd takes fourteen, more than half of them of DNS lists."""
_AT_ONCE = 10_000  # notes that are written behind before more are made
_YEAR = 400 * 86_400.0
_MANY = 10**9

RULES: dict[str, Any] = {
    "bench.yml": {
        "rules": [
            {"name": "greylist", "with": {"delay": GREYLIST_DELAY}},
            *(
                {
                    "name": f"limit-{of}",
                    "check": "limit",
                    "with": {"of": of, "count": "attempts", "windows": [{"limit": _MANY, "seconds": 3600}]},
                    "then": "defer",
                    "reason": "Too many.",
                }
                for of in ("client", "sender")
            ),
        ],
    }
}
"""Over what is shipped: limits, and a greylist that lets the bench pass soon."""
LISTS: dict[str, Any] = {
    "hosting": [
        *({"value": f"20.{n // 250}.{n % 250}.0/24", "score": 2.0} for n in range(HOSTING * 3 // 5)),
        *({"value": f".host{n}.example.net", "score": 1.5} for n in range(HOSTING // 5)),
        *({"value": f"AS{200_000 + n}", "score": 1.0, "whole": True} for n in range(HOSTING // 5)),
    ],
    "spam-traps": [f"trap{n}@{OWN_DOMAIN}" for n in range(mixed.TRAPS)],
}


@contextmanager
def start(home: Path) -> Iterator[Running]:
    """Our policyd; its state is made once and kept from round to round."""
    networks = home / "asn.csv"
    if not networks.exists():
        write_networks(networks)
        seed(home / "state.db")
    daemons = Daemons(
        home,
        dns=resolver.ADDRESS,
        doors=("policyd",),
        own_domains=(OWN_DOMAIN,),
        rules=RULES,
        lists=LISTS,
        settings={
            "dns": {"cache": DNS_CACHE},
            "dns_lists": dict.fromkeys(crowd.LISTS, "on"),
            "networks": {"asn_file": str(networks)},
        },
    )
    with serving(daemons):
        yield Running(f"unix:{daemons.socket('policyd')}", (daemons.pid("policyd"),))


def write_networks(path: Path) -> None:
    """A database of networks as they are published, with about as many ranges as the Internet has."""
    with path.open("w") as file:
        file.write("network,asn,name,country\n")
        for number in range(RANGES):
            address = (1 << 24) + number * 8192  # a /19 each, from 1.0.0.0 on
            spelled = ".".join(str(address >> shift & 255) for shift in (24, 16, 8, 0))
            asn = 1_000 + number % 70_000
            file.write(f"{spelled}/19,{asn},Network {asn},ZZ\n")


def seed(path: Path) -> None:
    """Fill the state with what a year has left there."""
    store = open_store("sqlite", path)
    try:
        asyncio.run(_seed(store, time.time()))
    finally:
        store.close()


async def _seed(store: OpenStore, now: float) -> None:
    keys = [
        *_correspondent_keys(),
        *(f"domain {each.domain}" for each in crowd.visitors() if _is_known(each)),
    ]
    for begin in range(0, len(keys), _AT_ONCE):
        for key in keys[begin : begin + _AT_ONCE]:
            store.seen.note(key, now=now, keep=_YEAR)
        await _written(store, keys[begin], now)
    rated = list(_rated())
    for begin in range(0, len(rated), _AT_ONCE):
        for key, points in rated[begin : begin + _AT_ONCE]:
            store.ratings.note((key,), points, now=now, reason="seeded by the bench")
        await _written(store, keys[0], now)
    for number in range(WORDS):
        domain = f"said{number}.example.com"
        await store.holds.say(Word("domain", domain, "approved", "bench", "", now))
    for number in range(TICKETS):
        knock = {"client": f"203.0.113.{number % 250}", "helo": f"h{number}.example.com"}
        await store.holds.meet(f"waits{number}.example.com", now=now, evidence="bench", knock=knock)


async def _written(store: OpenStore, key: str, now: float) -> None:
    """Wait until what was noted is in the file: a durable verb stands behind it in the queue."""
    await asyncio.sleep(0.3)
    await store.seen.forget(f"nobody {key}")
    await store.seen.find(key, now=now)


def _is_known(visitor: crowd.Visitor) -> bool:
    return visitor.kind in (crowd.CLEAN, crowd.CORRESPONDENT, crowd.ODD_CORRESPONDENT, crowd.DIAL_UP)


def _correspondent_keys() -> Iterator[str]:
    pairs = list(mixed.correspondents())
    more = CORRESPONDENTS // 2 - len(pairs)
    pairs += [(f"friend{n}@f{n % 5_000}.example.com", f"person{n % 50}@{OWN_DOMAIN}") for n in range(more)]
    for theirs, ours in pairs:
        yield correspondent.pair_key(parse(theirs), parse(ours))
        yield correspondent.any_key(parse(theirs))


def _rated() -> Iterator[tuple[str, float]]:
    """Of others than the crowd, as most of what a site remembers is of those who never come again."""
    chance = random.Random(11)  # noqa: S311  # the same each time
    for number in range(RATINGS // 2):
        yield f"client:20.{number // 62_500}.{number // 250 % 250}.{number % 250}", chance.uniform(-9, 9)
        yield rating_key.key_of_domain(f"rated{number}.example.net"), chance.uniform(-9, 9)
