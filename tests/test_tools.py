"""`Tools.once`: what several checks need is worked out once a message."""

import asyncio

import pytest

from tests.pretend import tools


def test_it_is_worked_out_once() -> None:
    kit, done = tools(), []

    async def work() -> str:
        done.append(1)
        return "x"

    async def main() -> list[str]:
        return [await kit.once("k", work), await kit.once("k", work)]

    assert asyncio.run(main()) == ["x", "x"]
    assert done == [1]


def test_those_who_ask_meanwhile_wait_for_the_same() -> None:
    kit, done = tools(), []

    async def work() -> str:
        done.append(1)
        await asyncio.sleep(0)
        return "x"

    async def main() -> list[str]:
        return await asyncio.gather(*(kit.once("k", work) for _ in range(5)))

    assert asyncio.run(main()) == ["x"] * 5
    assert done == [1]


def test_nothing_is_a_result_too() -> None:
    kit, done = tools(), []

    async def work() -> None:
        done.append(1)

    async def main() -> None:
        await kit.once("k", work)
        await kit.once("k", work)

    asyncio.run(main())
    assert done == [1]


def test_a_failure_is_everybodys_and_is_not_kept() -> None:
    kit, done = tools(), []

    async def work() -> str:
        done.append(1)
        await asyncio.sleep(0)
        if len(done) == 1:
            raise KeyError("x")
        return "x"

    async def main() -> list[object]:
        first = await asyncio.gather(kit.once("k", work), kit.once("k", work), return_exceptions=True)
        return [*first, await kit.once("k", work)]

    one, two, three = asyncio.run(main())
    assert isinstance(one, KeyError)
    assert isinstance(two, KeyError)
    assert three == "x"


def test_work_that_is_given_up_leaves_nobody_waiting() -> None:
    kit = tools()

    async def hang() -> str:
        await asyncio.Event().wait()
        raise AssertionError

    async def main() -> None:
        first = asyncio.create_task(kit.once("k", hang))
        await asyncio.sleep(0)
        second = asyncio.create_task(kit.once("k", hang))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(LookupError, match="given up"):
            await second

    asyncio.run(main())


def test_different_keys_are_different_work() -> None:
    kit = tools()

    async def value(text: str) -> str:
        return text

    async def main() -> list[str]:
        return [await kit.once("a", lambda: value("a")), await kit.once("b", lambda: value("b"))]

    assert asyncio.run(main()) == ["a", "b"]


def test_another_message_begins_anew() -> None:
    kit = tools()

    async def value() -> str:
        return "x"

    asyncio.run(kit.once("k", value))
    assert kit.made("k") == "x"
    assert kit.for_message().made("k") is None


def test_what_is_under_way_is_not_made_yet() -> None:
    kit = tools()
    seen = []

    async def look() -> str:
        seen.append(kit.made("k"))
        return "x"

    asyncio.run(kit.once("k", look))
    assert seen == [None]
