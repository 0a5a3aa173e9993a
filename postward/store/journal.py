"""The journal of decisions: a directory of files that are only ever appended to.

`JournalWriter.write` puts an entry into a queue; a thread renders and appends what has come, some
fifty times a second: little at a time, so that it does not hold up the event loop. Each process
writes files of its own, so nobody waits for anybody; a file that is full or a day old is followed by
another, and the oldest are deleted by age and by size. A search reads the files from the newest on
(`postward.store.journal_search`): people ask a few times a day, mail comes a thousand times a second
(docs/adr/0007).

When the disk is in trouble entries wait in the queue, and when that is full they are dropped and
counted: one line in the log marks the beginning, one the end. The journal never stops mail. What was
appended survives `kill -9`; a loss of power may take the last seconds.

Open a writer after forking.
"""

import logging
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from postward.store.timeline import Timeline, since_boot

_log = logging.getLogger("postward.store")
T = TypeVar("T")

MOST_WAITING = 10_000
"""Entries in the queue; more are dropped."""
MOST_OCTETS = 8_000_000
"""Of one file, before it is followed by another."""
_LONGEST = 86_400.0
"""Seconds that one file is written to."""
_GATHER = 0.02
"""Seconds for which entries gather before they are written."""
_BATCH = 1_000
"""Entries in one write."""
_AGAIN = 1.0
"""Seconds between two tries while the disk is in trouble."""
_TIDY = 10.0
"""Seconds between two looks for what is too old or too much."""
_CLOSING = 5.0
_MAX_LINE = 1 << 20
FIELD = "\x1f"
"""Stands around each field to search by; texts hold no control characters, so it is nowhere else."""
SUFFIX = ".log"


class JournalRow(NamedTuple):
    """One decision. `time`: wall clock, seconds; `people`: sender, login, recipients, in lower case.

    Texts may be empty; `body_json`: all the rest.
    """

    time: float
    trace: str
    queue_id: str
    client: str
    people: tuple[str, ...]
    body_json: str


def spell(row: JournalRow) -> bytes:
    """A row as one line: time, trace, queue id, client and people between marks, then the body."""
    fields = (f"{row.time:.3f}", row.trace, row.queue_id, row.client, *row.people, row.body_json)
    line = FIELD.join(fields)
    if "\n" in line or line.count(FIELD) >= len(fields):  # never from our own renderer, which escapes
        line = FIELD.join(each.replace("\n", " ").replace(FIELD, " ") for each in fields)
    octets = line.encode("utf-8", "backslashreplace")
    if len(octets) > _MAX_LINE:
        raise ValueError(f"an entry of {len(octets)} octets")
    return octets + b"\n"


class JournalWriter(Generic[T]):
    """Writes the journal in the directory `path`.

    `render` makes a row of an item (an opaque object), in the thread; files whose entries are all older
    than `keep_seconds` go, and the oldest when all take more than `max_bytes`. `steady` is a clock that
    the wall clock's jumps do not move: without it a clock set years ahead would empty the journal.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        keep_seconds: float,
        max_bytes: int,
        render: Callable[[T], JournalRow],
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] | None = since_boot,
    ) -> None:
        self.dropped = 0
        self._path = Path(path)
        self._keep_seconds = keep_seconds
        self._max_bytes = max_bytes
        self._most = min(MOST_OCTETS, max_bytes // 10)
        self._longest = min(_LONGEST, keep_seconds / 10)
        self._render = render
        self._wall = wall
        self._timeline = Timeline(steady)
        self._file: _File | None = None
        self._number = 0
        self._waiting: deque[T] = deque()
        self._troubled = False
        self._woken = False
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._tidied = -_TIDY
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def write(self, item: T) -> None:
        """Have `item` written soon. Never waits, never raises."""
        if len(self._waiting) >= MOST_WAITING:
            self.dropped += 1
            return
        self._waiting.append(item)
        if not self._woken:
            self._woken = True
            self._wake.set()

    def close(self) -> None:
        """Write what waits, then end. Takes a few seconds at most; what cannot be written is dropped."""
        self._stop.set()
        self._wake.set()
        self._thread.join(_CLOSING)

    # --- In the thread ---------------------------------------------------------------------------
    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(_TIDY)
            self._stop.wait(_AGAIN if self._troubled else _GATHER)
            self._wake.clear()
            self._woken = False  # before looking: what comes later wakes again
            self._write_all()
            if self._troubled:
                self._wake.set()
        if self._waiting:
            _log.error("%s: %d decisions are not recorded", self._path, len(self._waiting))
        if self._file is not None:
            self._file.close()

    def _write_all(self) -> None:
        """Write all there is, until something goes wrong."""
        try:
            while self._waiting:
                self._write_batch()
            if time.monotonic() - self._tidied >= _TIDY:
                self._tidied = time.monotonic()
                self._tidy()
        except OSError as error:
            self._trouble(error)
        except Exception:  # noqa: BLE001  # the thread must live on: the fault is logged
            _log.exception("a fault in the journal")
        else:
            self._fine()

    def _write_batch(self) -> None:
        items = [self._waiting[index] for index in range(min(_BATCH, len(self._waiting)))]
        octets = b"".join([self._line(item) for item in items])
        self._open().append(octets)
        for _ in items:
            self._waiting.popleft()

    def _line(self, item: T) -> bytes:
        """The line for `item`, nothing if it cannot be rendered."""
        try:
            return spell(self._render(item))
        except Exception:  # noqa: BLE001  # one entry must not stop all others: the fault is logged
            _log.exception("a decision that the journal cannot hold")
            return b""

    def _open(self) -> "_File":
        """The file to append to, another one when the last is full or old."""
        now = self._wall()
        if self._file is not None and (
            self._file.octets >= self._most or abs(now - self._file.began) >= self._longest
        ):
            self._file.close()
            self._file = None
        if self._file is None:
            self._path.mkdir(mode=0o750, exist_ok=True)
            self._number += 1
            name = f"{int(now):012d}-{self._number:06d}-{secrets.token_hex(6)}{SUFFIX}"
            self._file = _File(self._path / name, now)
        return self._file

    def _tidy(self) -> None:
        """Delete files that are too old, and the oldest of too many; never the one that is written."""
        oldest = self._timeline.at(self._wall()) - self._keep_seconds - self._longest
        files = [(each, each.stat()) for each in sorted(self._path.glob(f"*{SUFFIX}"))]
        total = sum(found.st_size for _, found in files)
        for each, found in files:
            mine = self._file is not None and each == self._file.path
            if not mine and (_began(each) < oldest or total > self._max_bytes):
                each.unlink(missing_ok=True)
                total -= found.st_size

    def _trouble(self, error: OSError) -> None:
        if not self._troubled:
            self._troubled = True
            _log.error("%s: decisions wait to be recorded: %s", self._path, error)

    def _fine(self) -> None:
        dropped, self.dropped = self.dropped, 0
        if self._troubled:
            self._troubled = False
            _log.warning("%s: recording again, %d decisions were not recorded", self._path, dropped)
        elif dropped:
            _log.error("%s: %d decisions came too fast to be recorded", self._path, dropped)


def _began(path: Path) -> float:
    """When a file was begun, as its name tells; a name of somebody else's is never too old."""
    time_, _, _ = path.name.partition("-")
    return float(time_) if time_.isascii() and time_.isdigit() else float("inf")


class _File:
    """One file of the journal, opened to append. `began`: wall clock, seconds."""

    def __init__(self, path: Path, began: float) -> None:
        self.path = path
        self.began = began
        self.octets = 0
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o640)

    def append(self, octets: bytes) -> None:
        """Append all of `octets` or nothing. Raises OSError."""
        written = 0
        try:
            while written < len(octets):
                written += os.write(self._fd, octets[written:])
        except OSError:
            os.ftruncate(self._fd, self.octets)  # no torn line
            raise
        self.octets += written

    def close(self) -> None:
        """Let go of the file; one that was never written to goes."""
        os.close(self._fd)
        if not self.octets:
            self.path.unlink(missing_ok=True)
