"""Contenders' processes: started on given cores, and what they cost, read from /proc.

A contender is a set of root processes and all their descendants; its cost is the sum.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 30.0
STOP_SECONDS = 10.0


class DidNotStart(RuntimeError):
    """A contender ended, or was not ready in time; the text ends with its last words."""


def family(roots: Iterable[int]) -> set[int]:
    """`roots` and all their living descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))) is not None:
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children.get(pid, [])
    return found


def cpu_seconds(roots: Iterable[int]) -> float:
    """User and system time of the family so far, with that of its children that have ended."""
    ticks = 0
    for pid in family(roots):
        fields = _stat(pid)
        if fields is not None:
            ticks += sum(int(field) for field in fields[11:15])  # utime stime cutime cstime
    return ticks / TICKS


def pss_mb(pids: Iterable[int]) -> float:
    """Proportional memory of these processes in MB (10**6 bytes): what they share is counted once."""
    kib = 0
    for pid in pids:
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        kib += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return kib * 1024 / 1e6


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat after the name: [0] is the state, [1] the parent. None if it ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text[text.rindex(")") + 2 :].split()  # the name may hold blanks and brackets


@contextmanager
def pinned(cores: Iterable[int]) -> Iterator[None]:
    """What is started meanwhile runs on these cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(cores))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def started(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command`; end it and its children on leaving."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=log.parent, start_new_session=True
        )
    try:
        yield process
    finally:
        end(process.pid)
        process.wait()


def end(root: int) -> None:
    """SIGTERM to the root of a family, SIGKILL to those that are still there after a while."""
    everyone = family([root])
    born = {pid: _born(pid) for pid in everyone}

    def left() -> list[int]:
        return [pid for pid in everyone if _born(pid) == born[pid] is not None]

    _signal(root, signal.SIGTERM)
    until = time.monotonic() + STOP_SECONDS
    while left() and time.monotonic() < until:
        time.sleep(0.02)
    for pid in left():
        _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # it ended by itself
        os.kill(pid, number)


def _born(pid: int) -> str | None:
    """When a living process began: tells it from a later one with the same id. None: gone or a zombie."""
    fields = _stat(pid)
    return None if fields is None or fields[0] == "Z" else fields[19]


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Poll until `ready()`; raises DidNotStart when the process ends before or takes too long."""
    until = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None:
            raise DidNotStart(f"ended with {process.returncode}: {last_words(log)}")
        if time.monotonic() > until:
            raise DidNotStart(f"was not ready after {START_SECONDS:.0f} s: {last_words(log)}")
        time.sleep(0.02)


def last_words(log: Path) -> str:
    """The end of a log, on one line."""
    if not log.exists():
        return "(no log)"
    return " / ".join(log.read_text(errors="replace").splitlines()[-5:])
