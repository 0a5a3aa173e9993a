"""Ratings in memory: bounded, what was not changed for the longest is forgotten."""

from collections import deque
from typing import TypeVar

from postward.state import Rating, RatingChange
from postward.store import standing
from postward.store.standing import Standing
from postward.store.text import stored, stored_key
from postward.store.timeline import Timeline

V = TypeVar("V")

_MAX_KEYS = 20_000
_HISTORY = 50


class MemoryRatings:
    """`postward.state.Ratings`."""

    def __init__(self, timeline: Timeline, half_life: float) -> None:
        self._timeline = timeline
        self._half = half_life * 1000
        self._standings: dict[str, Standing] = {}
        self._history: dict[str, deque[RatingChange]] = {}

    def note(self, keys: tuple[str, ...], points: float, *, now: float, reason: str) -> None:
        reason = stored(reason, standing.MAX_REASON)
        event = standing.one(points, self._timeline.milliseconds(now), reason)
        for key in map(stored_key, keys):
            held = self._standings.get(key)
            if held is not None and held.pinned:
                continue
            self._put(key, standing.add(held, event, self._half))
            if abs(points) >= standing.WORTH_TELLING:
                self._tell(key, RatingChange(now, points, reason, standing.BY_ITSELF))

    async def read(self, keys: tuple[str, ...], *, now: float) -> tuple[Rating | None, ...]:
        return tuple([self._read(stored_key(key), now) for key in keys])

    async def set(self, key: str, points: float, *, now: float, by: str, reason: str) -> Rating:
        standing.check_points(points)
        key, reason = stored_key(key), stored(reason, standing.MAX_REASON)
        at = self._timeline.milliseconds(now)
        held = standing.pin(self._standings.get(key), points, at, reason, self._half)
        self._put(key, held)
        self._tell(key, RatingChange(now, held.points, reason, by))
        rating = self._read(key, now)
        assert rating is not None
        return rating

    async def clear(self, key: str, *, now: float, by: str, reason: str) -> bool:
        key = stored_key(key)
        there = self._read(key, now) is not None
        self._standings.pop(key, None)
        if there:
            self._tell(key, RatingChange(now, 0.0, stored(reason, standing.MAX_REASON), by))
        return there

    async def rows(self, prefix: str = "", *, now: float, limit: int = 100) -> tuple[Rating, ...]:
        found = [self._read(key, now) for key in self._standings if key.startswith(prefix)]
        worst = sorted([each for each in found if each is not None], key=lambda each: each.points)
        return tuple(worst[:limit])

    async def history(self, key: str, *, limit: int = 20) -> tuple[RatingChange, ...]:
        return tuple(list(reversed(self._history.get(stored_key(key), ())))[:limit])

    def _read(self, key: str, now: float) -> Rating | None:
        held = self._standings.get(key)
        at = self._timeline.milliseconds(now)
        return held and standing.shown(key, held, at, round(now * 1000) - at, self._half)

    def _put(self, key: str, held: Standing) -> None:
        _put_last(self._standings, key, held, _MAX_KEYS)

    def _tell(self, key: str, change: RatingChange) -> None:
        changes = self._history.get(key) or deque(maxlen=_HISTORY)
        changes.append(change)
        _put_last(self._history, key, changes, _MAX_KEYS)


def _put_last(kept: dict[str, V], key: str, value: V, most: int) -> None:
    kept.pop(key, None)
    if len(kept) >= most:
        del kept[next(iter(kept))]
    kept[key] = value
