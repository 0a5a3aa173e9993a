"""Keeps watch over the lists: tests each at start and every hour, and takes one that fails out of use.

A list that is shut down, hijacked or closed to us must harm no mail (RFC 6471 3.4, THREATS). Between
tests a quick look, every few minutes, sees a list that has everything; an answer that no list gives, or
too many listings in a row, bring the test forward. One alarm when a list goes, one when it is back.
"""

import asyncio
import logging
import random
import threading
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postward.dnslists import selftest, statistics
from postward.dnslists.definition import Definition
from postward.dnslists.lists import AskedLists
from postward.dnslists.selftest import Result
from postward.dnslists.watched import Watched
from postward.tools import Clock, Dns

EVERY = 3600.0
"""Seconds between two tests of a list that is in order, give or take a tenth."""
WHILE_OFF = 600.0
AFTER_SILENCE = 30.0
"""Silence alone fails a list only if it lasts: a resolver may just be starting."""
PROBE = 300.0
"""Seconds between two quick looks."""
SOONEST = 60.0
"""Seconds between two tests that suspicion asked for."""
SAVE = 60.0
_TURN = 5.0  # seconds between two looks at what is due: suspicion waits no longer
_log = logging.getLogger("postward.dnslists")

Tell = Callable[[str], None]
"""Tells a person; must not wait."""


def say_nothing(_text: str) -> None:
    """The log has it; nobody else is told."""


@dataclass(slots=True)
class _Times:
    """When what is due (monotonic seconds). `silences`: tests in a row that nothing answered."""

    test: float = 0.0
    probe: float = 0.0
    last: float = float("-inf")
    silences: int = 0


class Guard:
    """Watches `lists`. `file`: where the numbers are kept, None for nowhere; `tell`: who hears of alarms."""

    def __init__(
        self,
        lists: AskedLists,
        dns: Dns,
        clock: Clock,
        *,
        file: Path | None = None,
        tell: Tell = say_nothing,
        chance: random.Random | None = None,
    ) -> None:
        self._lists = lists
        self._dns = dns
        self._clock = clock
        self._file = file
        self._tell = tell
        self._chance = chance or random.SystemRandom()
        self._times: dict[Watched, _Times] = {}
        self._saved = clock.monotonic()
        self._unsaved = ""
        self._saving = threading.Lock()

    async def run(self) -> None:
        """Watch until cancelled; then the numbers are saved a last time."""
        try:
            while True:
                await self.tend()
                await asyncio.sleep(_TURN)
        finally:
            self._save()

    async def tend(self) -> None:
        """Do what is due now."""
        watched = self._lists.watched
        self._times = {each: self._times.get(each) or _Times() for each in watched}
        due = [work for each in watched if (work := self._due(each)) is not None]
        if due:
            told = [text for text in await asyncio.gather(*due) if text]
            if told:
                self._tell("\n".join(told))
        if due or self._clock.monotonic() - self._saved >= SAVE:
            # The console should see a test at once; numbers alone can wait for their minute.
            await asyncio.to_thread(self._save)

    def take_over(self, definitions: Iterable[Definition]) -> None:
        """Watch these from now on; what is new or changed is tested at the next turn."""
        self._lists.take_over(definitions)

    def _due(self, each: Watched) -> Coroutine[Any, Any, str] | None:
        now, times = self._clock.monotonic(), self._times[each]
        if now >= times.test or (each.suspect and now - times.last >= SOONEST):
            return self._test(each)
        if each.state.on and now >= times.probe:
            return self._probe(each)
        return None

    async def _probe(self, each: Watched) -> str:
        """The quick look; what it finds must be confirmed by the test."""
        found = await selftest.quick(each.definition, self._dns, self._chance)
        self._times[each].probe = self._clock.monotonic() + PROBE
        return await self._test(each) if found.why and not found.silent else ""

    async def _test(self, each: Watched) -> str:
        """Test a list and act on it; what a person should hear, or empty."""
        suspected, each.suspect = each.suspect, ""
        in_use = each.state.on or each.state.since == 0
        found = await selftest.full(each.definition, self._dns, self._chance)
        now, times, state = self._clock.monotonic(), self._times[each], each.state
        times.last = now
        times.probe = now + PROBE
        times.silences = times.silences + 1 if found.silent else 0
        state.tested, state.steps = self._clock.wall(), found.steps
        if times.silences == 1 and in_use:
            times.test = now + AFTER_SILENCE
            return ""
        if suspected and not found.why:
            _log.warning("DNS list %s was suspect (%s), but passes its test", each.definition.name, suspected)
        times.test = now + self._jittered(WHILE_OFF if found.why else EVERY)
        return self._went(each, found) if found.why else self._came(each)

    def _went(self, each: Watched, found: Result) -> str:
        state, name = each.state, each.definition.name
        if state.on or not state.since:
            state.since = self._clock.wall()
        state.on, state.why = False, found.why
        self._lists.sort()
        if state.alarmed:
            return ""
        state.alarmed = True
        text = f"DNS list {name} fails its test and is not asked any more: {found.why}"
        _log.error("%s", text)
        return text

    def _came(self, each: Watched) -> str:
        state, name = each.state, each.definition.name
        if not state.on:
            state.on, state.why, state.since = True, "", self._clock.wall()
            self._lists.sort()
        if not state.alarmed:
            return ""
        state.alarmed = False
        text = f"DNS list {name} passes its test again and is asked again"
        _log.warning("%s", text)
        return text

    def _jittered(self, seconds: float) -> float:
        return seconds * self._chance.uniform(0.9, 1.0 if seconds == WHILE_OFF else 1.1)

    def _save(self) -> None:
        """Write the file; one that cannot be written is said once, and tried again."""
        self._saved = self._clock.monotonic()
        if self._file is not None:
            with self._saving:  # at the end a thread may still be at it, with older numbers
                self._write(self._file)

    def _write(self, file: Path) -> None:
        states = {each.definition.name: each.state for each in self._lists.watched}
        try:
            statistics.save(file, states)
        except OSError as error:
            if error.strerror != self._unsaved:
                self._unsaved = error.strerror or "error"
                _log.warning("the numbers of DNS lists cannot be kept in %s: %s", file, error.strerror)
            return
        self._unsaved = ""
