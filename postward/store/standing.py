"""Rating arithmetic, for every store: points fade, new ones are added. Times: ms of the store's own time."""

import math
from typing import NamedTuple

from postward.state import Rating

MOST_POINTS = 100.0
WORTH_TELLING = 1.0
"""Points from which on a change is written into the history."""
HALF_LIFE = 14 * 86_400.0
GONE = 8
"""Half-lives after which a rating that nothing was added to is forgotten: 100 points are 0.4 then."""
BY_ITSELF = "postward"
"""Who made a change that no person made."""
MAX_REASON = 300


class Standing(NamedTuple):
    """Points and samples as they were at `updated`."""

    points: float
    samples: float
    updated: int
    reason: str
    pinned: bool


def one(points: float, at: int, reason: str) -> Standing:
    """One event. Its reason counts only if it is worth telling."""
    return Standing(points, 1.0, at, reason if abs(points) >= WORTH_TELLING else "", False)


def add(held: Standing | None, more: Standing, half: float) -> Standing:
    """Both together, at the time of the later one. `half`: half-life in ms. A pinned one stays as it is."""
    if held is None:
        return more._replace(points=_clamped(more.points))
    if held.pinned:
        return held
    age = more.updated - held.updated
    old, new = (0.5 ** (age / half), 1.0) if age >= 0 else (1.0, 0.5 ** (-age / half))
    points = held.points * old + more.points * new
    if not -MOST_POINTS <= points <= MOST_POINTS:
        points = _clamped(points)
    at = more.updated if age >= 0 else held.updated
    return Standing(points, held.samples * old + more.samples * new, at, more.reason or held.reason, False)


def check_points(points: float) -> None:
    """Raises `ValueError` for what is no number."""
    if not math.isfinite(points):
        raise ValueError(f"not points: {points!r}")


def pin(held: Standing | None, points: float, at: int, reason: str, half: float) -> Standing:
    """A person's word, in place of the points."""
    samples = 0.0 if held is None else held.samples * _left(held, at, half)
    return Standing(_clamped(points), samples, at, reason, True)


def expiry(standing: Standing, half: float) -> int:
    """When it may be forgotten (ms): what a person said never."""
    return 2**62 if standing.pinned else standing.updated + int(GONE * half)


def shown(key: str, standing: Standing, at: int, shift: int, half: float) -> Rating | None:
    """What to tell at `at`; None once it is forgotten. `shift`: ms to the wall clock."""
    points, samples, updated, reason, pinned = standing
    if at - updated > GONE * half and not pinned:
        return None
    left = _left(standing, at, half)
    return Rating(key, points * left, samples * left, (updated + shift) / 1000, reason, pinned)


def _left(standing: Standing, at: int, half: float) -> float:
    age = at - standing.updated
    if age <= 0 or standing.pinned:
        return 1.0
    left: float = 0.5 ** (age / half)
    return left


def _clamped(points: float) -> float:
    return max(-MOST_POINTS, min(MOST_POINTS, points))
