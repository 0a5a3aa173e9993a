"""Waiting for a quiet machine: what other programs do in the meantime spoils a reading."""

import time
from collections.abc import Callable
from pathlib import Path

from lab.bench.processes import TICKS

QUIET = 0.25
"""Busy cores up to which a machine counts as quiet."""
_LOOK = 0.4


def busy_ticks(stat: str) -> int:
    """Clock ticks that all cores worked since boot, from the text of /proc/stat."""
    # user nice system idle iowait irq softirq steal ...
    fields = [int(field) for field in stat.splitlines()[0].split()[1:]]
    return sum(fields[:3]) + sum(fields[5:8])


def busy_cores() -> float:
    """How many cores work at present, looked at for a moment."""
    before = busy_ticks(Path("/proc/stat").read_text())
    time.sleep(_LOOK)
    return (busy_ticks(Path("/proc/stat").read_text()) - before) / TICKS / _LOOK


def wait_for_calm(patience: float, look: Callable[[], float] = busy_cores) -> float:
    """Wait until the machine is quiet, for `patience` seconds at most; the cores still busy then."""
    until = time.monotonic() + patience
    while (busy := look()) > QUIET and time.monotonic() < until:
        pass
    return busy
