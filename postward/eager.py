"""Run a coroutine now, and pay for a task only if it has to wait.

Most looks answer from memory. A task for each of them costs more than the look itself, so the
coroutine is stepped once in place; only one that waits is carried on as a task. (Python 3.12 has
eager tasks; Debian 12 has 3.11.)

Until its first wait a coroutine runs without a current task: it must not use
`asyncio.timeout()` or `asyncio.current_task()` before that.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Ready(Generic[T]):
    """The result of a coroutine that did not have to wait."""

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value


def start(coroutine: Coroutine[Any, Any, T]) -> Ready[T] | asyncio.Task[T]:
    """Step `coroutine` once: `Ready` with its result, or the task that carries it on.

    An exception of the first step is raised here.
    """
    try:
        waited_for = coroutine.send(None)
    except StopIteration as done:
        return Ready(done.value)
    return asyncio.get_running_loop().create_task(_carry_on(coroutine, waited_for))


async def _carry_on(coroutine: Coroutine[Any, Any, T], waited_for: Any) -> T:
    return await _Started(coroutine, waited_for)


class _Started(Generic[T]):
    """An awaitable for a coroutine that was stepped already and waits for `waited_for`."""

    __slots__ = ("_coroutine", "_waited_for")

    def __init__(self, coroutine: Coroutine[Any, Any, T], waited_for: Any) -> None:
        self._coroutine = coroutine
        self._waited_for = waited_for

    def __await__(self) -> Generator[Any, Any, T]:
        waited_for = self._waited_for
        while True:
            try:
                sent = yield waited_for
            except BaseException as error:  # noqa: BLE001  # handed into the coroutine, as a task would
                step: Callable[[Any], Any] = self._coroutine.throw
                argument: Any = error
            else:
                step = self._coroutine.send
                argument = sent
            try:
                waited_for = step(argument)
            except StopIteration as done:
                value: T = done.value
                return value
