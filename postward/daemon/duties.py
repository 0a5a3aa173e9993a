"""What a daemon does beside its answers: self-tests, cards, reminders; each a coroutine with a name.

Only policyd has duties: it is one process and owns the state (docs/adr/0003). The workers of the milter
are several, and each would do the same again.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

Duty = Callable[[], Coroutine[Any, Any, None]]
"""Begins a duty. What it gives runs until it is cancelled, and never raises for what the world does."""

PAUSE = 10.0  # seconds until a duty that failed begins again
_log = logging.getLogger("postward.daemon")


class Duties:
    """Runs duties while the `async with` block lasts, and cancels them all when it ends.

    A duty that raises has a bug: it is logged with its traceback and begun again after `pause`
    seconds, so that the others and the mail go on. One that returns has done its work.
    """

    def __init__(self, pause: float = PAUSE) -> None:
        self._pause = pause
        self._duties: dict[str, Duty] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def add(self, name: str, duty: Duty) -> None:
        """Do `duty` too; add before the block is entered. `name` is for the log."""
        if name in self._duties:
            raise ValueError(f"two duties are called {name}")
        self._duties[name] = duty

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for name, duty in self._duties.items():
            self._tasks.append(loop.create_task(self._keep(name, duty), name=f"duty {name}"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _keep(self, name: str, duty: Duty) -> None:
        while True:
            try:
                await duty()
            except Exception:  # noqa: BLE001  # a duty's bug must not stop the mail
                _log.exception("%s failed, by a fault of Postward; again in %g s", name, self._pause)
            else:
                return
            await asyncio.sleep(self._pause)
