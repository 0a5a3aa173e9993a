"""The milter bench: mail through a private Postfix that asks the contender.

Postfix and the contender's processes share all cores but the last, which the load generator and
the resolver have for themselves. The queue lies in memory, so no disk decides.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lab.bench import load, resolver, traffic
from lab.bench import milterpeers as peers
from lab.bench.contender import Contender, Reading, Running
from lab.bench.policy import NO_RULES
from lab.bench.processes import family, pinned, pss_mb
from lab.bench.programs import Programs
from lab.bench.serving import serving
from lab.bench.signing import SigningKey
from lab.daemons import Daemons
from lab.postfix import Postfix

WARM_UP = 2  # seconds
LIMIT = "Postfix alone"
PEERS = ("null milter in C", "opendkim + opendmarc")
WORK = "4 kB, signed"

NO_EDITS = {"authentication_results": False, "verdict_header": False}
SPF_ONLY: dict[str, Any] = {
    "bench.yml": {
        "shipped": "off",
        "rules": [{"name": "spf", "check": "spf", "with": {"results": ["fail"]}, "then": "watch"}],
    }
}

# Only the milters differ between contenders.
_SETTINGS = {
    "milter_default_action": "tempfail",
    "milter_protocol": "6",
    "smtpd_milters": "",
    "smtpd_recipient_restrictions": "",
    "smtpd_data_restrictions": "",
}


def ours(
    rules: dict[str, Any], workers: int, section: dict[str, Any], settings: dict[str, Any] | None = None
) -> Callable[[Path], AbstractContextManager[Running]]:
    """Our milter with these rules; `section` goes into `milter:` of postward.yml."""

    @contextmanager
    def start(home: Path) -> Iterator[Running]:
        daemons = Daemons(
            home,
            dns=resolver.ADDRESS,
            doors=("milter",),
            own_domains=(traffic.OWN_DOMAIN,),
            rules=rules,
            settings={"milter": {"workers": workers, **section}, **(settings or {})},
        )
        with serving(daemons):
            yield Running(f"unix:{daemons.socket('milter')}", (daemons.pid("milter"),))

    return start


def contenders(programs: Programs) -> list[Contender]:
    """All of them, in the order of the table."""
    quiet = {"journal": "off", "log": {"level": "warning"}}
    libmilter = {"transport": "libmilter", **NO_EDITS}
    return [
        Contender(LIMIT, "limit", peers.postfix_alone, WORK),
        Contender("null milter in C", "limit", peers.null_in_c(programs, "all"), WORK),
        Contender("null milter in C (no replies)", "limit", peers.null_in_c(programs, "noreply"), WORK),
        Contender("null milter in C (end only)", "limit", peers.null_in_c(programs, "bare"), WORK),
        Contender("null milter on pymilter", "limit", peers.null_on_pymilter, WORK),
        Contender("opendkim", "peer", peers.opendkim, WORK, note="verifies"),
        Contender("opendmarc", "peer", peers.opendmarc, WORK),
        Contender("opendkim + opendmarc", "peer", peers.opendkim_and_opendmarc, WORK),
        Contender("rspamd (SPF + DKIM + DMARC)", "peer", peers.rspamd_only, WORK, note="4 workers"),
        Contender("rspamd (default modules)", "peer", peers.rspamd_default, WORK, note="4 workers"),
        *(
            Contender(f"postward (no rules; {n} workers)", "ours", ours(NO_RULES, n, NO_EDITS), WORK)
            for n in (1, 2, 4)
        ),
        Contender("postward (no rules; no log)", "ours", ours(NO_RULES, 2, NO_EDITS, quiet), WORK),
        Contender("postward (no rules; libmilter)", "ours", ours(NO_RULES, 1, libmilter), WORK),
        *(
            Contender(f"postward (SPF + edits; {n} workers)", "ours", ours(SPF_ONLY, n, {}), WORK)
            for n in (1, 2, 4)
        ),
        *(
            Contender(f"postward (shipped rules; {n} workers)", "ours", ours({}, n, {}), WORK)
            for n in (1, 2, 4)
        ),
    ]


@dataclass
class MilterBench:
    """Reads contenders, each behind a Postfix of its own."""

    home: Path
    programs: Programs
    seconds: int
    sessions: int
    first: int = 0
    jobs: Path = field(init=False)

    def prepare(self) -> str:
        """Write the messages; the zone that the resolver must serve."""
        key = SigningKey(self.home)
        self.jobs = traffic.smtp_jobs(self.home, key, peers.AUTHSERV_ID)
        return traffic.zone() + key.zone([sender.domain for sender in traffic.senders()])

    def read(self, contender: Contender, turn: int) -> Reading:
        """Start it and a Postfix, warm both up, send for `seconds`, stop both."""
        with self._running(contender, f"{turn}") as (running, postfix):
            how_long = ("--warm-up", str(WARM_UP), "--seconds", str(self.seconds))
            found = load.measured(self._command(postfix, *how_long), running.roots)
            self.first += 10**8
            refused = sum(count for code, count in found.kinds.items() if code != "250")
            return replace(found, trouble=found.trouble + refused)

    def soak(self, contender: Contender, counts: tuple[int, ...]) -> list[tuple[int, list[float]]]:
        """Memory (MB) of each of its processes, the largest first, after so many messages in all."""
        found, sent = [], 0
        with self._running(contender, "soak") as (running, postfix):
            for count in counts:
                self.first = load.run(self._command(postfix, "--messages", str(count - sent)))["next"]
                sent = count
                memory = sorted((pss_mb([pid]) for pid in family(running.roots)), reverse=True)
                found.append((count, memory))
        return found

    @contextmanager
    def _running(self, contender: Contender, turn: str) -> Iterator[tuple[Running, Postfix]]:
        home = self.home / "".join(c if c.isalnum() else "-" for c in contender.name)
        home.mkdir(exist_ok=True)
        with ExitStack() as stack:
            with pinned(range(max(1, last_core()))):
                running = stack.enter_context(contender.start(home))
                postfix = Postfix(
                    self.home / f"{home.name}-{turn}",
                    doors={},
                    domain=traffic.OWN_DOMAIN,
                    users=[f"person{number}" for number in range(traffic.LOCAL_PARTS)],
                    settings={**_SETTINGS, "smtpd_milters": running.address},
                    deliver=False,
                )
                stack.enter_context(postfix)
            yield running, postfix

    def _command(self, postfix: Postfix, *how_much: str) -> list[str]:
        command = [str(self.programs.smtpload()), "--address", f"inet:127.0.0.1:{postfix.port}", *how_much]
        command += ["--jobs", str(self.jobs), "--sessions", str(self.sessions), "--xclient"]
        return [*command, "--first", str(self.first), "--core", str(last_core())]


def last_core() -> int:
    return max(os.sched_getaffinity(0))
