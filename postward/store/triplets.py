"""Greylist arithmetic: what is remembered of a key, and what a meeting makes of it.

An entry is packed into 29 octets, because a hundred thousand of them are kept in memory:
`first`, `last` and `expires` in milliseconds of the store's own time, `attempts`, `passed`.
"""

import struct
from functools import lru_cache

from postward.state import Meeting

_ENTRY = struct.Struct("<qqqI?")
_MOST_ATTEMPTS = 0xFFFF_FFFF
unpack = _ENTRY.unpack
pack = _ENTRY.pack


@lru_cache(maxsize=1024)
def _passed(attempts: int) -> Meeting:
    return Meeting(True, 0.0, attempts)


def meet(entry: bytes | None, at: int, delay: float, window: float, keep: float) -> tuple[bytes, Meeting]:
    """The entry after one more attempt at `at` (ms), and what to tell. `delay`, `window`, `keep`: seconds.

    A wait is never negative and never longer than `delay`, whatever times the entry claims.
    """
    if entry is not None:
        first, last, _, attempts, passed = unpack(entry)
        if attempts < _MOST_ATTEMPTS:
            attempts += 1
        if passed:
            if at - last <= keep * 1000:
                return _remember(first, at, keep, attempts)
        elif first <= at <= first + window * 1000:
            wait = first + delay * 1000 - at
            if wait <= 0:
                return _remember(first, at, keep, attempts)
            expires = first + int(window * 1000)
            return pack(first, at, expires, attempts, False), Meeting(False, wait / 1000, attempts)
    return pack(at, at, at + int(window * 1000), 1, False), Meeting(False, max(0.0, delay), 1)


def _remember(first: int, last: int, keep: float, attempts: int) -> tuple[bytes, Meeting]:
    return pack(first, last, last + int(keep * 1000), attempts, True), _passed(attempts)
