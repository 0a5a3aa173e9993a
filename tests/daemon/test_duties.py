"""Work beside the answers: begun, begun again after a bug, cancelled at the end."""

import asyncio
import logging

import pytest

from postward.daemon.duties import Duties


async def _until(met: asyncio.Event) -> None:
    await asyncio.wait_for(met.wait(), 5)


def test_each_duty_runs_until_the_end() -> None:
    begun: list[str] = []
    ended: list[str] = []

    async def scenario() -> None:
        all_begun = asyncio.Event()

        async def duty(name: str) -> None:
            begun.append(name)
            if len(begun) == 2:
                all_begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(name)

        duties = Duties()
        duties.add("first", lambda: duty("first"))
        duties.add("second", lambda: duty("second"))
        async with duties:
            await _until(all_begun)
            assert ended == []

    asyncio.run(scenario())
    assert (begun, ended) == (["first", "second"], ["first", "second"])


def test_a_duty_that_fails_begins_again_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> int:
        begins = 0
        again = asyncio.Event()

        async def clumsy() -> None:
            nonlocal begins
            begins += 1
            if begins == 3:
                again.set()
                await asyncio.Event().wait()
            raise KeyError("a bug")

        duties = Duties(pause=0.0)
        duties.add("self-tests", clumsy)
        async with duties:
            await _until(again)
        return begins

    with caplog.at_level(logging.ERROR):
        assert asyncio.run(scenario()) == 3
    assert [record.getMessage() for record in caplog.records] == [
        "self-tests failed, by a fault of Postward; again in 0 s"
    ] * 2
    assert caplog.records[0].exc_info is not None


def test_the_failure_of_one_leaves_the_other_alone() -> None:
    async def scenario() -> bool:
        failed = asyncio.Event()
        steady = asyncio.Event()

        async def clumsy() -> None:
            failed.set()
            raise KeyError("a bug")

        async def other() -> None:
            await failed.wait()
            await asyncio.sleep(0)
            steady.set()

        duties = Duties(pause=3600.0)
        duties.add("clumsy", clumsy)
        duties.add("other", other)
        async with duties:
            await _until(steady)
        return steady.is_set()

    assert asyncio.run(scenario())


def test_a_duty_that_is_done_is_not_begun_again() -> None:
    async def scenario() -> int:
        begins = 0
        done = asyncio.Event()

        async def short() -> None:
            nonlocal begins
            begins += 1
            done.set()

        duties = Duties(pause=0.0)
        duties.add("short", short)
        async with duties:
            await _until(done)
            for _ in range(5):
                await asyncio.sleep(0)
        return begins

    assert asyncio.run(scenario()) == 1


def test_an_error_of_the_daemon_passes_and_still_cancels() -> None:
    ended: list[str] = []

    async def scenario() -> None:
        begun = asyncio.Event()

        async def duty() -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("duty")

        duties = Duties()
        duties.add("duty", duty)
        async with duties:
            await _until(begun)
            raise OSError("the daemon's own")

    with pytest.raises(OSError, match="the daemon's own"):
        asyncio.run(scenario())
    assert ended == ["duty"]


def test_two_duties_of_one_name_are_refused() -> None:
    async def duty() -> None:
        await asyncio.sleep(0)

    duties = Duties()
    duties.add("cards", duty)
    with pytest.raises(ValueError, match="two duties are called cards"):
        duties.add("cards", duty)
