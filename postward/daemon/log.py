"""The log: lines on standard error, for people (`text`) or for programs (`json`).

A line is one event. Text from mail is escaped, so that a line is always one line and a terminal
shows what is written. Lines are gathered and written once a turn of the event loop; when the
reader is slow they wait in bounded memory, beyond that they are dropped and counted. Logging
never blocks and never raises.
"""

import asyncio
import json
import logging
import os
import socket
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from postward.printable import printable

MAX_WAITING = 1_000_000  # octets that wait for a slow reader
_CHUNK = 4096  # PIPE_BUF: a write of whole lines up to here is not torn by other processes
_MAX_VALUE = 512  # characters of one value
_RETRY = 0.05  # seconds until a full pipe is tried again
_SYSLOG = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}

Fields = Iterable[tuple[str, Any]]


class Sink:
    """Where lines go: a file descriptor that must not block us."""

    def __init__(self, fd: int) -> None:
        self._write, self.close = _writer(fd)
        self._lines: deque[bytes] = deque()
        self._waiting = 0
        self._dropped = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._due = False
        self._lock = threading.Lock()

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on write once a turn of `loop`, which runs in this thread."""
        self._thread = threading.get_ident()
        self._loop = loop

    def detach(self) -> None:
        """The loop ends: write what waits, and each line at once from now on."""
        self._loop = None
        self._due = False
        self.flush()

    def line(self, text: str) -> None:
        """Write `text` and a line feed, soon. From any thread."""
        octets = text.encode("utf-8", "backslashreplace") + b"\n"
        if self._waiting + len(octets) > MAX_WAITING:
            self._dropped += 1
            return
        self._lines.append(octets)
        self._waiting += len(octets)
        if not self._due:
            self._schedule()

    def flush(self) -> None:
        """Write what waits, as far as the reader takes it."""
        with self._lock:
            while self._lines:
                chunk = self._chunk()
                written = self._write(chunk)
                self._waiting -= written
                if written < len(chunk):
                    self._lines.appendleft(chunk[written:])
                    return
            if self._dropped:
                lost, self._dropped = self._dropped, 0
                self._write(f"postward: {lost} log lines lost: their reader was too slow\n".encode())

    def _chunk(self) -> bytes:
        """The next whole lines that fit into one write that is not torn."""
        lines = [self._lines.popleft()]
        size = len(lines[0])
        while self._lines and size + len(self._lines[0]) <= _CHUNK:
            lines.append(self._lines.popleft())
            size += len(lines[-1])
        return b"".join(lines)

    def _schedule(self) -> None:
        loop = self._loop
        if loop is None:
            self.flush()
            return
        self._due = True
        if threading.get_ident() == self._thread:
            loop.call_soon(self._turn)
            return
        try:
            loop.call_soon_threadsafe(self._turn)
        except RuntimeError:  # the loop was closed in this moment
            self.detach()

    def _turn(self) -> None:
        self._due = False
        self.flush()
        if self._lines and self._loop is not None:
            self._due = True
            self._loop.call_later(_RETRY, self._turn)


class Log:
    """Spells events as lines: `event()` for our own, and standard `logging` through `Handler`."""

    def __init__(self, sink: Sink, form: str, level: str, *, under_systemd: bool = False) -> None:
        self.sink = sink
        self.level = logging.getLevelNamesMapping()[level.upper()]
        self._json = form == "json"
        self._prefixed = under_systemd  # journald stamps each line itself
        self._second = -1
        self._stamp = ""

    def event(self, level: str, name: str, fields: Fields) -> None:
        """One event called `name`; text is escaped here, numbers and flags pass as they are."""
        if self._json:
            record = {"time": self._time(), "level": level, "event": name}
            record.update((key, _json_value(value)) for key, value in fields)
            self.sink.line(json.dumps(record))
            return
        words = [f"{key}={quoted(value if value.__class__ is str else str(value))}" for key, value in fields]
        self.sink.line(f"{self._head(level)} {name} {' '.join(words)}")

    def message(self, record: logging.LogRecord) -> None:
        """One record of standard `logging`; a traceback is kept, escaped, in the same line."""
        level = record.levelname.lower()
        trace = ""
        if record.exc_info:
            trace = logging.Formatter().formatException(record.exc_info)
        text = printable(record.getMessage(), 4000)
        if self._json:
            fields = [("logger", record.name), ("message", text), *([("traceback", trace)] if trace else [])]
            self.event(level, "message", fields)
            return
        tail = f" | {printable(trace, 8000)}" if trace else ""
        self.sink.line(f"{self._head(level)} {record.name}: {text}{tail}")

    def _head(self, level: str) -> str:
        return f"<{_SYSLOG.get(level, 6)}>{level}" if self._prefixed else f"{self._time()} {level}"

    def _time(self) -> str:
        """UTC with milliseconds; the seconds are spelled once a second."""
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._stamp}.{int((now - second) * 1000):03d}Z"


class Handler(logging.Handler):
    """Brings the records of standard `logging` to our log."""

    def __init__(self, log: Log) -> None:
        super().__init__(log.level)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; a record that cannot be spelled is said so, and never raises."""
        try:
            self._log.message(record)
        except Exception as error:  # noqa: BLE001  # a log line must not stop mail
            name = type(error).__name__
            self._log.sink.line(
                f"error {record.name}: a record that cannot be spelled ({name}): {record.msg!r}"
            )


def set_up(form: str, level: str, fd: int = 2) -> Log:
    """The log of this process on descriptor `fd`; standard `logging` goes there too."""
    log = Log(Sink(fd), form, level, under_systemd=_is_journal(fd))
    root = logging.getLogger()
    root.handlers[:] = [Handler(log)]
    root.setLevel(log.level)
    logging.captureWarnings(True)
    return log


def quoted(text: str) -> str:
    """A value as one word of a text line: quoted when it is empty or holds a blank, `=`, `"` or `\\`.

    A quote and a backslash of the text itself get a backslash, or a mail could write fields of its own.
    """
    return _quoted(text if len(text) <= _MAX_VALUE else text[: _MAX_VALUE - 3] + "...")


@lru_cache(maxsize=4096)
def _quoted(text: str) -> str:
    text = printable(text.replace("\\", "\\\\").replace('"', '\\"'), 2 * _MAX_VALUE)
    if text and not (" " in text or "=" in text or "\\" in text):
        return text
    return f'"{text}"'


def _json_value(value: Any) -> Any:
    return value if isinstance(value, (int, float, bool)) or value is None else printable(str(value), 8000)


def _is_journal(fd: int) -> bool:
    """Whether `fd` leads to systemd's journal (systemd.exec(5), `$JOURNAL_STREAM`)."""
    state = os.fstat(fd)
    return os.environ.get("JOURNAL_STREAM") == f"{state.st_dev}:{state.st_ino}"


def _writer(fd: int) -> tuple[Callable[[bytes], int], Callable[[], None]]:
    """A write to `fd` that gives the octets taken (0: full), and how to give up the own descriptor.

    The write never blocks and never raises. The descriptor is shared with others, who may want it to
    block: a socket is asked not to for each write, anything else is opened anew. Octets that nobody
    can read count as taken.
    """
    if stat.S_ISSOCK(os.fstat(fd).st_mode):
        stream = socket.socket(fileno=os.dup(fd))
        now = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
        return _patient(lambda octets: stream.send(octets, now)), stream.close
    try:
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_APPEND | os.O_NOCTTY | os.O_CLOEXEC
        own = os.open(f"/proc/self/fd/{fd}", flags)
    except OSError:  # no right to open it, or no /proc: the best there is
        own = os.dup(fd)
    return _patient(lambda octets: os.write(own, octets)), lambda: os.close(own)


def _patient(write: Callable[[bytes], int]) -> Callable[[bytes], int]:
    def attempt(octets: bytes) -> int:
        try:
            return write(octets)
        except BlockingIOError:
            return 0
        except OSError:
            return len(octets)

    return attempt
