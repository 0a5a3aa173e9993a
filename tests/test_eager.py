"""Eager: a coroutine that need not wait costs no task, one that waits goes on as one."""

import asyncio
from typing import Any

import pytest

from postward import eager


async def _value() -> int:
    return 7


async def _soon(value: int = 7) -> int:
    await asyncio.sleep(0)
    return value


def test_what_is_at_hand_needs_no_loop() -> None:
    started = eager.start(_value())
    assert isinstance(started, eager.Ready)
    assert started.value == 7


def test_what_waits_goes_on_as_a_task() -> None:
    async def main() -> int:
        started = eager.start(_soon())
        assert isinstance(started, asyncio.Task)
        return await started

    assert asyncio.run(main()) == 7


def test_it_may_wait_more_than_once_and_for_many_things() -> None:
    async def many() -> list[Any]:
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_result, "future")
        event = asyncio.Event()
        asyncio.get_running_loop().call_soon(event.set)
        gathered = await asyncio.gather(_soon(1), _soon(2))
        return [await _soon(0), await future, await event.wait(), gathered]

    async def main() -> list[Any]:
        started = eager.start(many())
        assert isinstance(started, asyncio.Task)
        return await started

    assert asyncio.run(main()) == [0, "future", True, [1, 2]]


def test_the_first_step_is_done_at_once() -> None:
    steps: list[str] = []

    async def work() -> None:
        steps.append("first")
        await asyncio.sleep(0)
        steps.append("second")

    async def main() -> None:
        started = eager.start(work())
        assert steps == ["first"]
        assert isinstance(started, asyncio.Task)
        await started

    asyncio.run(main())
    assert steps == ["first", "second"]


def test_an_exception_of_the_first_step_is_raised_at_once() -> None:
    async def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        eager.start(fail())


def test_a_later_exception_is_the_tasks() -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise KeyError("x")

    async def main() -> None:
        started = eager.start(fail())
        assert isinstance(started, asyncio.Task)
        with pytest.raises(KeyError):
            await started

    asyncio.run(main())


def test_an_exception_of_what_it_waits_for_can_be_caught() -> None:
    async def work(future: asyncio.Future[None]) -> str:
        try:
            await future
        except KeyError:
            return "caught"
        raise AssertionError

    async def main() -> str:
        future = asyncio.get_running_loop().create_future()
        started = eager.start(work(future))
        assert isinstance(started, asyncio.Task)
        future.set_exception(KeyError("x"))
        return await started

    assert asyncio.run(main()) == "caught"


def test_a_cancelled_task_cleans_up_and_cancels_what_it_waits_for() -> None:
    ended: list[str] = []

    async def work(future: asyncio.Future[None]) -> None:
        try:
            await future
        finally:
            ended.append("cleaned up")

    async def main() -> bool:
        future = asyncio.get_running_loop().create_future()
        started = eager.start(work(future))
        assert isinstance(started, asyncio.Task)
        await asyncio.sleep(0)
        started.cancel()
        with pytest.raises(asyncio.CancelledError):
            await started
        return future.cancelled()

    assert asyncio.run(main())
    assert ended == ["cleaned up"]


def test_a_future_that_is_done_before_the_task_begins() -> None:
    async def work(future: asyncio.Future[str]) -> str:
        return await future

    async def main() -> str:
        future = asyncio.get_running_loop().create_future()
        started = eager.start(work(future))
        future.set_result("done")
        assert isinstance(started, asyncio.Task)
        return await started

    assert asyncio.run(main()) == "done"
