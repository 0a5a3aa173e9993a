"""What was met before, in memory: bounded, what was not asked for the longest is forgotten."""

from postward.state import Sighting
from postward.store import sightings
from postward.store.sightings import Met
from postward.store.text import stored, stored_key
from postward.store.timeline import Timeline

_MAX_KEYS = 50_000


class MemorySeen:
    """`postward.state.Seen`."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._met: dict[str, Met] = {}

    def note(self, key: str, *, now: float, keep: float, value: str = "") -> None:
        at = self._timeline.milliseconds(now)
        key = stored_key(key)
        held = self._met.pop(key, None)
        if held is None and len(self._met) >= _MAX_KEYS:
            del self._met[next(iter(self._met))]
        new = sightings.once(at, keep, stored(value, sightings.MAX_VALUE))
        self._met[key] = sightings.merge(held, new)

    async def find(self, key: str, *, now: float) -> Sighting | None:
        at = self._timeline.milliseconds(now)
        met = self._met.get(stored_key(key))
        if met is None or met.expires < at:
            return None
        return sightings.shown(met, round(now * 1000) - at)

    async def forget(self, key: str) -> bool:
        return self._met.pop(stored_key(key), None) is not None

    async def rows(self, kind: str, *, now: float, limit: int = 1_000) -> tuple[tuple[str, Sighting], ...]:
        at, prefix = self._timeline.milliseconds(now), f"{kind} "
        found = [
            (key.removeprefix(prefix), met)
            for key, met in self._met.items()
            if key.startswith(prefix) and met.expires >= at
        ]
        found.sort(key=lambda row: row[1].last, reverse=True)
        shift = round(now * 1000) - at
        return tuple([(what, sightings.shown(met, shift)) for what, met in found[:limit]])
