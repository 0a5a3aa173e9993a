"""What is remembered of a key that was met, for every store. Times: ms of the store's own time."""

from typing import NamedTuple

from postward.state import Sighting

MOST_TIMES = 0xFFFF_FFFF
MAX_VALUE = 255


class Met(NamedTuple):
    """One or more meetings of a key. `expires`: when it is forgotten."""

    first: int
    last: int
    expires: int
    times: int
    value: str


def once(at: int, keep: float, value: str) -> Met:
    """One meeting at `at`, to be remembered for `keep` seconds."""
    return Met(at, at, at + int(keep * 1000), 1, value)


def merge(older: Met | None, newer: Met) -> Met:
    """Both together; the last meeting says what the value is and how long it is kept."""
    if older is None or older.expires < newer.first:
        return newer
    last = newer if newer.last >= older.last else older
    return Met(
        min(older.first, newer.first),
        last.last,
        last.expires,
        min(older.times + newer.times, MOST_TIMES),
        last.value,
    )


def shown(met: Met, shift: int) -> Sighting:
    """What to tell. `shift`: ms from the store's own time to the wall clock."""
    return Sighting((met.first + shift) / 1000, (met.last + shift) / 1000, met.times, met.value)
