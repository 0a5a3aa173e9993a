"""`scripts/bench policy|milter`: measures, shows progress, prints a table, writes JSON."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lab.bench import crowd, milter, policy, report, resolver, steady, traffic
from lab.bench.calm import wait_for_calm
from lab.bench.contender import Contender, Row
from lab.bench.milter import MilterBench
from lab.bench.policy import PolicyBench
from lab.bench.programs import Programs
from lab.bench.rounds import measure

MEMORY_AFTER = (50_000, 100_000)
MEMORY_AFTER_QUICK = (5_000, 10_000)
SOAKED = ("postward (shipped rules)", "postward (shipped rules; 2 workers)")
STEADY = "postward (everything)"

DEFAULT_HOME = {"policy": Path("/var/tmp"), "milter": Path("/dev/shm")}
"""State lies on disk, as on a server. The queue does not: Postfix alone would wait for the disk."""


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("what", choices=("policy", "milter"))
    parser.add_argument("--rounds", type=int, default=3, help="readings of each contender (default 3)")
    parser.add_argument("--seconds", type=int, default=5, help="length of a reading (default 5)")
    parser.add_argument("--connections", type=int, help="connections or sessions (default 16 or 20)")
    parser.add_argument("--only", help="contenders whose names begin so, with commas between")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all readings there")
    parser.add_argument("--quick", action="store_true", help="one short round, to see that it runs")
    parser.add_argument(
        "--home", type=Path, help="where state and queue lie (default: policy disk, milter memory)"
    )
    parser.add_argument("--patience", type=int, default=20, help="seconds to wait for a quiet machine")
    parser.add_argument("--list", action="store_true", help="name the contenders and end")
    parser.add_argument(
        "--steady", type=int, metavar="RATE", help="policy: ask so many requests a second, open loop"
    )
    parser.add_argument(
        "--strangers", metavar="N,N", help="policy: memory after so many clients and senders nobody knows"
    )
    parser.add_argument("--install-peers", action="store_true", help="bring the peers by apt first")
    chosen = parser.parse_args(given)
    if chosen.quick:
        chosen.rounds, chosen.seconds = 1, 1
    if chosen.rounds < 1 or chosen.seconds < 1:
        parser.error("--rounds and --seconds are at least 1")
    if chosen.what == "milter" and (chosen.steady or chosen.strangers):
        parser.error("--steady and --strangers are for policy services")
    if (chosen.steady or chosen.strangers) and not chosen.only:
        chosen.only = STEADY
    return chosen


def picked(contenders: Sequence[Contender], only: str | None) -> list[Contender]:
    """Those whose names begin with one of the words of `only`; all without it."""
    if not only:
        return list(contenders)
    words = [word.strip() for word in only.split(",")]
    return [one for one in contenders if any(one.name.startswith(word) for word in words if word)]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    chosen = arguments()
    every = (policy if chosen.what == "policy" else milter).contenders(Programs(Path()))
    if chosen.list or not picked(every, chosen.only):
        print("\n".join(one.name for one in every))
        return 0 if chosen.list else 2
    base = chosen.home or DEFAULT_HOME[chosen.what]
    home = Path(tempfile.mkdtemp(prefix="postward-bench-", dir=base))
    home.chmod(0o755)  # peers with a user of their own look for their files in it
    try:
        return bench_policy(chosen, home) if chosen.what == "policy" else bench_milter(chosen, home)
    finally:
        shutil.rmtree(home)


def bench_policy(chosen: argparse.Namespace, home: Path) -> int:
    programs = Programs(home)
    bench = PolicyBench(home, programs, chosen.seconds, chosen.connections or 16)
    contenders = picked(policy.contenders(programs), chosen.only)
    bench.prepare({one.work for one in contenders} | {"strangers"})
    with resolver.resolver(home / "dns", traffic.zone() + crowd.zone(), policy.RESOLVER_CORE):
        if chosen.steady:
            readings = [steady.read(bench, one, chosen.steady, chosen.seconds, say) for one in contenders]
            print("\n" + steady.table(readings))
        if chosen.strangers:
            for contender in contenders:
                tell_memory(bench, contender, tuple(map(int, chosen.strangers.split(","))), "strangers")
        if not (chosen.steady or chosen.strangers):
            rows = measure(contenders, chosen.rounds, bench.read, say, lambda: wait_for_calm(chosen.patience))
            show(chosen, rows, "requests", policy.LIMIT, policy.PEERS)
            for contender in soaked(contenders, rows):
                tell_memory(bench, contender, counts_of(chosen), contender.work)
    return 0


def tell_memory(bench: PolicyBench, contender: Contender, counts: tuple[int, ...], work: str) -> None:
    for count, memory in bench.soak(contender, counts, work):
        print(f"{contender.name}: {memory:.1f} MB after {count:,} requests ({work})", flush=True)


def bench_milter(chosen: argparse.Namespace, home: Path) -> int:
    programs = Programs(home)
    bench = MilterBench(home, programs, chosen.seconds, chosen.connections or 20)
    contenders = picked(milter.contenders(programs), chosen.only)
    with resolver.resolver(home / "dns", bench.prepare(), milter.last_core()):
        rows = measure(contenders, chosen.rounds, bench.read, say, lambda: wait_for_calm(chosen.patience))
        show(chosen, rows, "messages", milter.LIMIT, milter.PEERS)
        for contender in soaked(contenders, rows):
            for count, memory in bench.soak(contender, counts_of(chosen)):
                each = ", ".join(f"{mb:.1f}" for mb in memory)
                print(f"{contender.name}: {each} MB (each process) after {count:,} messages")
    return 0


def show(chosen: argparse.Namespace, rows: list[Row], unit: str, limit: str, peers: Sequence[str]) -> None:
    print("\n" + report.table(rows, unit, limit, peers), flush=True)
    if chosen.json:
        report.write_json(chosen.json, chosen.what, rows, settings_of(chosen))


def soaked(contenders: Sequence[Contender], rows: Sequence[Row]) -> list[Contender]:
    """Whose memory is watched for long: our shipped rules, if they ran."""
    ran = {row.contender.name for row in rows if row.readings}
    return [one for one in contenders if one.name in ran and one.name in SOAKED]


def counts_of(chosen: argparse.Namespace) -> tuple[int, ...]:
    return MEMORY_AFTER_QUICK if chosen.quick else MEMORY_AFTER


def settings_of(chosen: argparse.Namespace) -> dict[str, object]:
    return {key: str(value) if isinstance(value, Path) else value for key, value in vars(chosen).items()}


if __name__ == "__main__":
    sys.exit(main())
