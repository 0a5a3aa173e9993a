"""Trace ids: ten characters that follow one mail from connect to delivery.

Crockford base32 (no I, L, O, U), so that a sender can read one over the telephone: 30 bits of time
and 20 bits that count up from a random start in each process.
"""

import secrets
from itertools import count

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_counter = count(secrets.randbits(20))


def new_trace(now: float) -> str:
    """A new id at wall clock `now` (seconds)."""
    time, number = int(now) & 0x3FFFFFFF, next(_counter) & 0xFFFFF
    return (
        _PAIRS[time >> 20]
        + _PAIRS[time >> 10 & 1023]
        + _PAIRS[time & 1023]
        + _PAIRS[number >> 10]
        + _PAIRS[number & 1023]
    )


def reseed() -> None:
    """Start from another number: for a worker right after fork."""
    global _counter  # noqa: PLW0603  # one counter a process is the point
    _counter = count(secrets.randbits(20))
