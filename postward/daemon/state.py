"""The state file of a running daemon, `run_dir/policyd.json`: who runs, by which rules.

`postward reload` reads it to find the daemon and to see whether the new rules are in force. It is
replaced as a whole, so that a reader never sees half of one.
"""

import json
import os
import secrets
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from postward import __version__

MAX_ERROR = 10_000


@dataclass(frozen=True, slots=True)
class RunState:
    """A daemon that runs. `reloads` counts the attempts; `error` says why the last one failed."""

    door: str
    pid: int
    born: int
    """When the process was started, in the kernel's ticks since boot: tells it from a later one."""
    started: float
    digest: str
    reloads: int = 0
    error: str = ""
    version: str = field(default=__version__)

    @property
    def alive(self) -> bool:
        """Whether that very process still runs."""
        return self.born != 0 and born(self.pid) == self.born

    def reloaded(self, digest: str) -> "RunState":
        """After a reload that worked."""
        return replace(self, digest=digest, reloads=self.reloads + 1, error="")

    def refused(self, error: str) -> "RunState":
        """After a reload that did not: the old rules go on."""
        return replace(self, reloads=self.reloads + 1, error=error[:MAX_ERROR])


def here(door: str, digest: str) -> RunState:
    """The state of this process, just started."""
    return RunState(door, os.getpid(), born(os.getpid()), time.time(), digest)


def write(directory: Path, state: RunState) -> None:
    """Replace the state file in `directory`. Raises OSError."""
    target = directory / f"{state.door}.json"
    fresh = directory / f".{state.door}.{secrets.token_hex(8)}"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(asdict(state), stream)
        fresh.replace(target)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def read(directory: Path, door: str) -> RunState | None:
    """The state that a daemon left in `directory`; None: there is none, or it is not readable."""
    try:
        values: dict[str, Any] = json.loads((directory / f"{door}.json").read_text(encoding="utf-8"))
        state = RunState(**values)
    except (OSError, ValueError, TypeError):
        return None
    # Who signals it may be root, who wrote it is not: a number, and nothing that leads elsewhere in /proc.
    return state if type(state.pid) is int and state.pid > 0 and type(state.born) is int else None


def remove(directory: Path, state: RunState) -> None:
    """Take the state file away, unless a later process wrote its own."""
    found = read(directory, state.door)
    if found is not None and found.pid == state.pid:
        (directory / f"{state.door}.json").unlink(missing_ok=True)


def born(pid: int) -> int:
    """The start time of process `pid` (proc(5), field 22 of stat), 0 when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[19])
