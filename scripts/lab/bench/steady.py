"""The steady reading: requests come at a fixed rate, whatever the service does, and none is left out.

A latency counts from the moment at which the request was due, so that a stall is told by all that
were due meanwhile.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lab.bench import load
from lab.bench.contender import Contender
from lab.bench.policy import PolicyBench
from lab.bench.processes import family, pss_mb
from lab.bench.report import aligned

WARM_UP = 10  # seconds at the same rate
_MINUTE = 60


@dataclass(frozen=True)
class Stretch:
    """What was read of the last minute (of a fifth of a short reading)."""

    until: float
    p99_ms: float
    max_ms: float
    pss_mb: float


@dataclass(frozen=True)
class Steady:
    """One reading. Times in ms; `cpu` in cores; `late`: no connection was free for it within 1 ms."""

    contender: Contender
    rate: int
    seconds: int
    done: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    late: int
    missing: int
    cpu: float
    kinds: dict[str, int]
    stretches: tuple[Stretch, ...]


def read(
    bench: PolicyBench, contender: Contender, rate: int, seconds: int, say: Callable[[str], None]
) -> Steady:
    """Ask `rate` requests in each of `seconds` seconds, telling of each minute."""
    stretches: list[Stretch] = []
    with bench.ready(contender) as running:

        def tell(until: float, p99: float, longest: float) -> None:
            stretches.append(Stretch(until, p99, longest, pss_mb(family(running.roots))))
            say(f"{until:4.0f} s  p99 {p99:.2f} ms, max {longest:.2f} ms, {stretches[-1].pss_mb:.1f} MB")

        every = _MINUTE if seconds >= 2 * _MINUTE else max(seconds // 5, 1)
        how = (
            "--rate",
            str(rate),
            "--warm-up",
            str(WARM_UP),
            "--seconds",
            str(seconds),
            "--every",
            str(every),
        )
        found, cpu = load.watched(bench.command(running, contender.work, *how), running.roots, tell)
        bench.first = found["next"]
    return Steady(
        contender,
        rate,
        seconds,
        found["done"],
        found["p50_ms"],
        found["p90_ms"],
        found["p99_ms"],
        found["p999_ms"],
        found["max_ms"],
        found["late"],
        found["unanswered"] + found["trouble"],
        cpu / seconds,
        found["kinds"],
        tuple(stretches),
    )


def table(readings: Sequence[Steady]) -> str:
    """Markdown, for docs/benchmarks.md: one line a reading, then the minutes and the answers of each."""
    head = ["contender", "asked/s", "for s", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms"]
    head += ["late", "unanswered", "of a core", "PSS MB"]
    text = [aligned([head, *map(_cells, readings)])]
    for each in readings:
        minutes = ", ".join(
            f"{stretch.until:.0f} s {stretch.p99_ms:.2f} ms {stretch.pss_mb:.1f} MB"
            for stretch in each.stretches
        )
        text.append(f"\n- {each.contender.name}, p99 and PSS on the way: {minutes}")
        answers = ", ".join(
            f"{word} {count / each.done:.1%}" for word, count in sorted(each.kinds.items()) if each.done
        )
        text.append(f"- {each.contender.name}, answers: {answers}")
    return "\n".join(text)


def _cells(each: Steady) -> list[str]:
    times = (each.p50_ms, each.p90_ms, each.p99_ms, each.p999_ms, each.max_ms)
    memory = each.stretches[-1].pss_mb if each.stretches else 0.0
    cells = [each.contender.name, f"{each.rate:,}", str(each.seconds), *(f"{time:.2f}" for time in times)]
    return [*cells, f"{each.late:,}", f"{each.missing:,}", f"{each.cpu:.0%}", f"{memory:.1f}"]
