"""The policy bench: who is asked, what, and one reading of it.

The contender's processes share one core, the load generator has another, the resolver a third.
"""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from lab.bench import everything, load, mixed, resolver, traffic
from lab.bench import policypeers as peers
from lab.bench.contender import Contender, Reading, Running
from lab.bench.processes import family, pinned, pss_mb
from lab.bench.programs import Programs
from lab.bench.serving import serving
from lab.daemons import Daemons

CONTENDER_CORE, LOAD_CORE, RESOLVER_CORE = 1, 2, 3
WARM_UP = 2  # seconds
MIXED = {"mixed": False, "mixed-data": True}
"""Works whose answers are checked first; whether they ask at DATA too."""
WORKS: dict[str, Callable[[Path], int]] = {
    "known": partial(traffic.policy_requests, unique_sender=False),
    "new": partial(traffic.policy_requests, unique_sender=True),
    "strangers": traffic.strangers,
    **{name: partial(mixed.write, data=data) for name, data in MIXED.items()},
}
LIMIT = "echo in C"
PEERS = ("postgrey (known)", "postfwd1")

QUIET = {"journal": "off", "log": {"level": "warning"}}
NO_RULES: dict[str, Any] = {"bench.yml": {"shipped": "off", "rules": []}}
STATE: dict[str, Any] = {
    "bench.yml": {
        "shipped": "off",
        "rules": [
            {
                "name": "greylist",
                "check": "greylist",
                "with": {"delay": peers.GREYLIST_DELAY},
                "then": "defer",
                "reason": "Try again in {wait} seconds.",
            },
            *(
                {
                    "name": f"limit-{of}",
                    "check": "limit",
                    "with": {"of": of, "count": "attempts", "windows": [{"limit": 10**9, "seconds": 3600}]},
                    "then": "defer",
                    "reason": "Too many.",
                }
                for of in ("client", "sender")
            ),
        ],
    }
}


def ours(
    rules: dict[str, Any], settings: dict[str, Any]
) -> Callable[[Path], AbstractContextManager[Running]]:
    """Our policyd with these rules; everything else as it is shipped."""

    @contextmanager
    def start(home: Path) -> Iterator[Running]:
        daemons = Daemons(
            home,
            dns=resolver.ADDRESS,
            doors=("policyd",),
            own_domains=(traffic.OWN_DOMAIN,),
            rules=rules,
            settings=settings,
        )
        with serving(daemons):
            yield Running(f"unix:{daemons.socket('policyd')}", (daemons.pid("policyd"),))

    return start


def contenders(programs: Programs) -> list[Contender]:
    """All of them, in the order of the table."""
    return [
        Contender(LIMIT, "limit", peers.echo_in_c(programs), "known"),
        Contender("echo on uvloop", "limit", peers.echo_on_uvloop, "known"),
        Contender("postgrey (known)", "peer", peers.postgrey, "known", learns=True),
        Contender("postgrey (new)", "peer", peers.postgrey, "new"),
        Contender("postgrey (known; TCP)", "peer", peers.postgrey_inet, "known", learns=True),
        Contender("postfwd1", "peer", peers.postfwd1, "known", note="one limit, TCP"),
        Contender("postfwd2", "peer", peers.postfwd2, "known", note="one limit, TCP"),
        Contender("policyd-spf", "peer", peers.policyd_spf, "known", note="a process a connection"),
        Contender("postward (no rules)", "ours", ours(NO_RULES, {}), "known"),
        Contender("postward (no rules; no log)", "ours", ours(NO_RULES, QUIET), "known"),
        Contender("postward (greylist + limits; known)", "ours", ours(STATE, {}), "known", learns=True),
        Contender(
            "postward (greylist + limits; known; no log)", "ours", ours(STATE, QUIET), "known", learns=True
        ),
        Contender("postward (greylist + limits; new)", "ours", ours(STATE, {}), "new"),
        Contender("postward (shipped rules)", "ours", ours({}, {}), "known"),
        Contender("postward (everything)", "ours", everything.start, "mixed", learns=True),
        Contender("postward (everything; DATA too)", "ours", everything.start, "mixed-data", learns=True),
    ]


@dataclass
class PolicyBench:
    """Reads contenders. `first` goes on from reading to reading: no instance is used twice."""

    home: Path
    programs: Programs
    seconds: int
    connections: int
    requests: dict[str, int] = field(default_factory=dict)
    first: int = 0
    learned: set[str] = field(default_factory=set)

    def prepare(self, works: Collection[str]) -> None:
        """Write the requests of these works."""
        for work in works:
            self.requests[work] = WORKS[work](self._file(work))

    @contextmanager
    def ready(self, contender: Contender) -> Iterator[Running]:
        """It runs, knows the work if it is to, and answers as it should. Raises WrongAnswers."""
        home = self.home / "".join(c if c.isalnum() else "-" for c in contender.name)
        home.mkdir(exist_ok=True)
        with ExitStack() as stack:
            with pinned([CONTENDER_CORE]):
                running = stack.enter_context(contender.start(home))
            if contender.learns and contender.name not in self.learned:
                self._teach(running, contender)
            if contender.work in MIXED:
                self.first = mixed.check(running.address, self.first, data=MIXED[contender.work])
            yield running

    def read(self, contender: Contender, turn: int) -> Reading:
        """Start it, warm it up, ask for `seconds` as fast as it answers, stop it."""
        with self.ready(contender) as running:
            how_long = ("--warm-up", str(WARM_UP), "--seconds", str(self.seconds))
            found = load.measured(self.command(running, contender.work, *how_long), running.roots)
            self.first += 10**8
            return found

    def soak(self, contender: Contender, counts: tuple[int, ...], work: str) -> list[tuple[int, float]]:
        """Memory (MB) after so many requests of `work` in all."""
        home = self.home / "soak"
        home.mkdir(exist_ok=True)
        found, asked = [], 0
        with ExitStack() as stack:
            with pinned([CONTENDER_CORE]):
                running = stack.enter_context(contender.start(home))
            for count in counts:
                self._ask(running, work, count - asked)
                asked = count
                found.append((count, pss_mb(family(running.roots))))
        return found

    def command(self, running: Running, work: str, *how_much: str) -> list[str]:
        """The load generator, on this work from `first` on."""
        command = [str(self.programs.policyload()), "--address", running.address, *how_much]
        command += ["--file", str(self._file(work)), "--first", str(self.first)]
        return [*command, "--connections", str(self.connections), "--core", str(LOAD_CORE)]

    def _teach(self, running: Running, contender: Contender) -> None:
        """Ask each request twice, as far apart as the greylist wants, so that all are known."""
        for _ in range(2):
            self._ask(running, contender.work, self.requests[contender.work])
            time.sleep(peers.GREYLIST_DELAY + 1.1)
        self.learned.add(contender.name)

    def _ask(self, running: Running, work: str, count: int) -> None:
        """Ask so many requests."""
        self.first = load.run(self.command(running, work, "--requests", str(count)))["next"]

    def _file(self, work: str) -> Path:
        return self.home / f"{work}.requests"
