"""Runs a load generator and reads the CPU of a contender for just the time that is counted."""

import json
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

from lab.bench.contender import Reading
from lab.bench.processes import cpu_seconds, family, pss_mb


class LoadFailed(RuntimeError):
    """The load generator could not do its work; the text is its own."""


def run(command: Sequence[str]) -> dict[str, Any]:
    """The report of a load generator. Raises LoadFailed."""
    answer, _ = _counted(command, ())
    return answer


def measured(command: Sequence[str], roots: Sequence[int]) -> Reading:
    """A reading of the contender whose processes descend from `roots`; `command` has a warm-up."""
    answer, cpu = _counted(command, roots)
    done = answer["done"]
    return Reading(
        rate=answer["rate"],
        cpu_us=cpu / done * 1e6 if done else 0.0,
        p50_ms=answer["p50_ms"],
        p99_ms=answer["p99_ms"],
        pss_mb=pss_mb(family(roots)),
        done=done,
        trouble=answer["trouble"],
        kinds=answer["kinds"],
    )


def watched(
    command: Sequence[str], roots: Sequence[int], tell: Callable[[float, float, float], None]
) -> tuple[dict[str, Any], float]:
    """The report of a load with `--every`, and the CPU seconds of the contender in the counted time.

    `tell(seconds, p99 ms, max ms)` is called for each stretch.
    """
    return _counted(command, roots, tell)


def _counted(
    command: Sequence[str], roots: Sequence[int], tell: Callable[[float, float, float], None] | None = None
) -> tuple[dict[str, Any], float]:
    before = 0.0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as load:
        assert load.stdout is not None and load.stderr is not None
        for line in load.stdout:
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                return answer, cpu_seconds(roots) - before
            if line.startswith("so far ") and tell is not None:
                seconds, p99, longest = map(float, line.split()[2:])
                tell(seconds, p99, longest)
            elif line.startswith("counting"):
                before = cpu_seconds(roots)
        raise LoadFailed(load.stderr.read().strip() or "it said nothing")
