"""The log of bookings: one line a booking, written with one system call before it is answered.

What `write(2)` took is the kernel's: it survives the death of the process at any instant, for about
one microsecond, where a commit would cost twenty and the answers would have to wait for it. (A loss
of power may take the last lines, as it may take commits with synchronous NORMAL.) What they add up
to gets into the database now and then (`folded` tells); the lines are read only when memory does not
know it: after a restart, or when the database is not the one that was written last.

Two files: `<path>-hits` and, from the turn before, `<path>-hits.old`. The first line of each is
`postward-hits <serial>`, the others are

    <ticks> <amount> <seconds>,<seconds>... <instance> <key>     (separated by tabs)

A line that is not whole was never answered and is skipped, as is one that damage made unreadable.
"""

import logging
import os
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from postward.state import StoreDown

_log = logging.getLogger("postward.store")

_HEADER = b"postward-hits "
_TURN_AT = 8 << 20
"""Octets of a file, some 80,000 bookings, after which the next one begins."""
_MOST = 64 << 20
"""Octets at which bookings are refused, because nothing has been folded for long."""
_TURN_AFTER = 3600.0
"""Seconds after which the next file begins, so that what was booked long ago does not lie about."""
_MOST_NUMBER = 1 << 40
_BLOCK = 64 << 10


class Place(NamedTuple):
    """How far something has come: octets `end` of the file with this `serial`."""

    serial: int
    end: int


_END = Place(1 << 62, 0)

Hit = tuple[int, int, tuple[int, ...], str, str]
"""One booking: ticks, amount, windows (in seconds), instance, key."""


class HitLog:
    """The files beside the database at `path`. One process writes; its event loop calls `write`."""

    def __init__(self, path: Path) -> None:
        self._path = Path(f"{path}-hits")
        self._old = Path(f"{path}-hits.old")
        self._handle: int | None = None
        self._serial = 0
        self._size = 0
        self._begun = 0.0
        self._folded = Place(0, 0)
        self._trouble_since: float | None = None

    def write(self, ticks: int, amount: int, booked: str, instance: str, key: str) -> None:
        """Put one booking into the file; texts hold no control characters. Raises `StoreDown`."""
        line = f"{ticks}\t{amount}\t{booked}\t{instance}\t{key}\n".encode()
        try:
            if self._handle is None or self._size >= _TURN_AT:
                self._make_room()
            assert self._handle is not None
            written = os.write(self._handle, line)
            if written != len(line):  # the disk is full
                os.ftruncate(self._handle, self._size)
                raise OSError(f"only {written} of {len(line)} octets were taken")
        except OSError as error:
            raise self._trouble(error) from error
        self._size += written
        if self._trouble_since is not None:
            self._works_again()

    @property
    def place(self) -> Place | None:
        """Behind the last booking; None before the first of this process."""
        return Place(self._serial, self._size) if self._serial else None

    def folded(self, place: Place) -> None:
        """The database has everything up to `place`. From the thread that folds."""
        self._folded = place

    def hits_after(self, place: Place, upto: Place | None = None) -> Iterator[tuple[list[Hit], Place]]:
        """What was booked after `place`, in order, some hundreds at a time with the place behind them.

        Not what was booked after `upto`, a place behind a line. From the thread that folds.
        """
        for path in (self._old, self._path):
            yield from _hits(path, place, upto or _END)

    def close(self) -> None:
        """Let go of the file."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def check(self) -> None:
        """Begin a new file at the next hit if this one is no longer there, or old. On the loop."""
        if self._handle is None:
            return
        try:
            ours = self._path.stat().st_ino == os.fstat(self._handle).st_ino
        except OSError:
            ours = False
        if not ours:
            self.close()
        elif self._size > len(_HEADER) + 20 and time.monotonic() - self._begun > _TURN_AFTER:
            self._turn()

    def _make_room(self) -> None:
        """Have a file that takes one more line."""
        if self._handle is None:
            self._open()
        if self._size >= _TURN_AT:
            self._turn()
        if self._size >= _MOST:
            raise OSError(f"{self._path} is full: nothing was folded for long")

    def _turn(self) -> None:
        """Begin the next file, unless the old one is not folded yet."""
        if self._folded.serial < self._serial:
            return
        self.close()
        self._path.replace(self._old)
        self._open()

    def _open(self) -> None:
        """Open the file to append, or begin one; never go on after half a line."""
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(self._path, flags, 0o640)
        try:
            serial, size = _serial(handle), os.fstat(handle).st_size
            if (
                serial is None
                or (serial == self._folded.serial and size < self._folded.end)
                or serial < self._folded.serial
            ):
                # new, damaged, or shorter than what was folded of it (power was lost)
                serial = max(self._serial, self._folded.serial, _serial_at(self._old)) + 1
                os.ftruncate(handle, 0)
                os.write(handle, _HEADER + b"%d\n" % serial)
            elif os.pread(handle, 1, size - 1) != b"\n":
                os.write(handle, b"\n")
            self._size = os.fstat(handle).st_size
        except BaseException:
            os.close(handle)
            raise
        self._handle, self._serial, self._begun = handle, serial, time.monotonic()

    def _trouble(self, error: OSError) -> StoreDown:
        self.close()  # open it anew next time
        if self._trouble_since is None:
            self._trouble_since = time.monotonic()
            _log.error("%s: %s", self._path, error)
        return StoreDown(f"{self._path.name}: {error}")

    def _works_again(self) -> None:
        assert self._trouble_since is not None
        _log.warning("%s: works again after %.1f s", self._path, time.monotonic() - self._trouble_since)
        self._trouble_since = None


def _hits(path: Path, after: Place, upto: Place) -> Iterator[tuple[list[Hit], Place]]:
    """The whole lines of the file at `path` that lie between `after` and `upto`."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        serial = _serial(file.fileno())
        if serial is None or not after.serial <= serial <= upto.serial:
            return
        most = upto.end if serial == upto.serial else _END.serial
        end = after.end if serial == after.serial else len(file.readline())
        file.seek(end)
        whole = True
        while whole and end < most and (lines := file.readlines(_BLOCK)):
            whole = lines[-1].endswith(b"\n")
            if not whole:  # being written just now, or cut off by a death
                del lines[-1]
            end += sum(map(len, lines))
            while end > most:
                end -= len(lines.pop())
            hits = [hit for hit in map(_parse, lines) if hit is not None]
            if len(hits) < len(lines) - lines.count(b"\n"):
                _log.error("%s: %d damaged lines", path, len(lines) - lines.count(b"\n") - len(hits))
            yield hits, Place(serial, end)


def _parse(line: bytes) -> Hit | None:
    """A line's booking, None for a damaged one."""
    try:
        ticks, amount, booked, instance, key = line.decode("ascii").split("\t")
        hit = int(ticks), int(amount), windows_of(booked), instance, key[:-1]
    except ValueError:
        return None
    return hit if 0 <= hit[0] < _MOST_NUMBER and 0 <= hit[1] < _MOST_NUMBER else None


@lru_cache(maxsize=1024)
def windows_of(booked: str) -> tuple[int, ...]:
    """`60,3600` -> (60, 3600)."""
    windows = tuple(map(int, booked.split(",")))
    if not all(0 < seconds < _MOST_NUMBER for seconds in windows):
        raise ValueError(booked)
    return windows


def _serial(handle: int) -> int | None:
    """What the first line says; None when there is none."""
    head, newline, _ = os.pread(handle, len(_HEADER) + 20, 0).partition(b"\n")
    number = head.removeprefix(_HEADER)
    return int(number) if newline and head != number and number.isdigit() else None


def _serial_at(path: Path) -> int:
    try:
        with path.open("rb") as file:
            return _serial(file.fileno()) or 0
    except FileNotFoundError:
        return 0
