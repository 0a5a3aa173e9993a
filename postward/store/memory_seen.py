"""What was met before, in memory: bounded; of the kind that has most, what was not noted for the longest
is forgotten, so that a flood of one kind costs no other anything."""

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
        self._kinds: dict[str, dict[str, Met]] = {}
        self._rows = 0

    def _of(self, key: str) -> dict[str, Met]:
        """What is held of the key's kind."""
        kind = key.partition(" ")[0]
        held = self._kinds.get(kind)
        if held is None:
            held = self._kinds[kind] = {}
        return held

    def note(self, key: str, *, now: float, keep: float, value: str = "") -> None:
        at = self._timeline.milliseconds(now)
        key = stored_key(key)
        kept = self._of(key)
        held = kept.pop(key, None)
        if held is None:
            self._rows += 1
            if self._rows > _MAX_KEYS:
                largest = max(self._kinds.values(), key=len)
                del largest[next(iter(largest))]
                self._rows -= 1
        new = sightings.once(at, keep, stored(value, sightings.MAX_VALUE))
        kept[key] = sightings.merge(held, new)

    async def find(self, key: str, *, now: float) -> Sighting | None:
        at = self._timeline.milliseconds(now)
        key = stored_key(key)
        met = self._of(key).get(key)
        if met is None or met.expires < at:
            return None
        return sightings.shown(met, round(now * 1000) - at)

    async def forget(self, key: str) -> bool:
        key = stored_key(key)
        there = self._of(key).pop(key, None) is not None
        self._rows -= there
        return there

    async def rows(self, kind: str, *, now: float, limit: int = 1_000) -> tuple[tuple[str, Sighting], ...]:
        at, prefix = self._timeline.milliseconds(now), f"{kind} "
        found = [
            (key.removeprefix(prefix), met) for key, met in self._of(prefix).items() if met.expires >= at
        ]
        found.sort(key=lambda row: row[1].last, reverse=True)
        shift = round(now * 1000) - at
        return tuple([(what, sightings.shown(met, shift)) for what, met in found[:limit]])
