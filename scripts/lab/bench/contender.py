"""What is measured: a contender, how it runs, and one reading of it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Literal

Kind = Literal["limit", "peer", "ours"]


class Absent(RuntimeError):
    """A contender is not installed here; the text says what is missing."""


@dataclass(frozen=True)
class Running:
    """A contender that is ready: its address (`unix:/path`, `inet:ip:port`) and its root processes."""

    address: str
    roots: tuple[int, ...]


@dataclass(frozen=True)
class Contender:
    """One row of the table.

    `start` takes an own directory, which outlives a round, and gives a context in which it runs.
    `work` names the prepared work. `learns`: it must have seen the work before it is counted
    (a greylist that knows its triplets).
    """

    name: str
    kind: Kind
    start: Callable[[Path], AbstractContextManager[Running]]
    work: str
    learns: bool = False
    note: str = ""


@dataclass(frozen=True)
class Reading:
    """One round of one contender. Times in ms, CPU in microseconds for one request or message.

    `others`: cores that other programs kept busy just before.
    """

    rate: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    pss_mb: float
    done: int
    trouble: int
    kinds: dict[str, int] = field(default_factory=dict)
    others: float = 0.0


@dataclass(frozen=True)
class Row:
    """A contender and its readings, or why there are none."""

    contender: Contender
    readings: tuple[Reading, ...] = ()
    skipped: str = ""

    def median(self, column: str) -> float:
        return float(median(getattr(reading, column) for reading in self.readings))
