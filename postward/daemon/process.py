"""The life of a daemon that is one process: state file, systemd, SIGHUP, SIGTERM.

SIGHUP while a reload is under way asks for one more after it. A reload that fails leaves the old
rules in force and says why in the log and in the state file.
"""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from postward.daemon import state, wiring
from postward.daemon.configuration import Configuration, reconfigure
from postward.daemon.notify import Notifier
from postward.daemon.state import RunState
from postward.house import House
from postward.rules.errors import ConfigErrors
from postward.rules.ruleset import Ruleset
from postward.stage import Door

T = TypeVar("T")
_log = logging.getLogger("postward.daemon")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` on uvloop where it is installed, else on asyncio's own loop."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(main)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def summary(rules: Ruleset) -> str:
    """What runs, in a few words."""
    return f"{len(rules.rules)} rules ({rules.digest})"


@dataclass(slots=True)
class Reloader:
    """Reads the directory again and swaps what the house judges by. One reload at a time."""

    house: House
    configuration: Configuration
    door: Door = Door.POLICYD
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def reload(self) -> str:
        """The digest of the rules that are in force now. Raises ConfigErrors: the old ones are."""
        async with self._lock:
            # In a thread, so that the loop goes on answering meanwhile.
            fresh = await asyncio.to_thread(reconfigure, self.configuration.directory)
            wiring.warn_of_restart(self.configuration.settings, fresh.settings)
            fresh.warn_of_doubts()
            networks = await asyncio.to_thread(wiring.networks, fresh, self.door, self.house.tools.networks)
            wiring.take_over(self.house, fresh, networks, self.door)
            self.configuration = fresh
            return fresh.rules.digest


class Desk:
    """Where a daemon's state is told: the state file, systemd and the log."""

    def __init__(self, door: str, configuration: Configuration, notifier: Notifier) -> None:
        self._run_dir = configuration.settings.run_dir
        self._notifier = notifier
        self._state = state.here(door, configuration.rules.digest)

    def ready(self, rules: Ruleset) -> None:
        """The daemon serves."""
        _log.info("%s runs %s", self._state.door, summary(rules))
        self._write(self._state)
        self._notifier.ready(summary(rules))

    def reloading(self) -> None:
        """A reload began."""
        self._notifier.reloading()

    def reloaded(self, rules: Ruleset) -> None:
        """The new rules are in force."""
        _log.info("%s reloaded: %s", self._state.door, summary(rules))
        self._write(self._state.reloaded(rules.digest))
        self._notifier.ready(summary(rules))

    def refused(self, error: str) -> None:
        """The new rules are not used."""
        for line in error.splitlines():
            _log.error("reload: %s", line)
        _log.error("reload: the old rules go on")
        self._write(self._state.refused(error))
        self._notifier.ready("the last reload failed, the old rules go on")

    def stopping(self) -> None:
        """The daemon ends."""
        self._notifier.stopping()
        state.remove(self._run_dir, self._state)

    def _write(self, fresh: RunState) -> None:
        self._state = fresh
        try:
            self._run_dir.mkdir(parents=True, exist_ok=True)
            state.write(self._run_dir, fresh)
        except OSError as error:  # mail goes on; only `postward reload` cannot see us
            _log.warning("no state file in %s: %s", self._run_dir, error.strerror)


async def live(desk: Desk, reloader: Reloader, notifier: Notifier) -> None:
    """Be ready, follow SIGHUP, feed the watchdog; return at SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stop, hup = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, hup.set)
    duties = [asyncio.create_task(_follow(hup, desk, reloader)), asyncio.create_task(_feed(notifier))]
    desk.ready(reloader.configuration.rules)
    ended = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([ended, *duties], return_when=asyncio.FIRST_COMPLETED)
    for task in (ended, *duties):
        task.cancel()
    await asyncio.gather(ended, *duties, return_exceptions=True)
    desk.stopping()
    for task in done:
        task.result()  # a duty ends only by a bug of ours: let it be seen


async def _follow(hup: asyncio.Event, desk: Desk, reloader: Reloader) -> None:
    while True:
        await hup.wait()
        hup.clear()
        desk.reloading()
        try:
            await reloader.reload()
        except ConfigErrors as errors:
            desk.refused(str(errors))
        else:
            desk.reloaded(reloader.configuration.rules)


async def _feed(notifier: Notifier) -> None:
    while notifier.watchdog:
        notifier.alive()
        await asyncio.sleep(notifier.watchdog)
    await asyncio.Event().wait()
