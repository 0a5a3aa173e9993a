"""The memory of messages under way."""

from pathlib import Path

from policyd import session
from policyd.session import Messages
from tests.house import build

RULES = "shipped: off\n"


def test_one_instance_is_one_case(tmp_path: Path) -> None:
    house, messages = build(tmp_path, RULES).house, Messages()
    assert messages.case("a.1", house.rules, house.tools) is messages.case("a.1", house.rules, house.tools)


def test_without_an_instance_nothing_is_remembered(tmp_path: Path) -> None:
    house, messages = build(tmp_path, RULES).house, Messages()
    assert messages.case("", house.rules, house.tools) is not messages.case("", house.rules, house.tools)
    assert len(messages) == 0


def test_a_message_that_has_ended_is_forgotten(tmp_path: Path) -> None:
    house, messages = build(tmp_path, RULES).house, Messages()
    messages.case("a.1", house.rules, house.tools)
    messages.forget("a.1")
    assert len(messages) == 0


def test_the_memory_is_bounded_and_drops_the_longest_unused(tmp_path: Path) -> None:
    house, messages = build(tmp_path, RULES).house, Messages()
    first = messages.case("first", house.rules, house.tools)
    second = messages.case("second", house.rules, house.tools)
    for number in range(session.MAX_MESSAGES - 2):
        messages.case(f"n.{number}", house.rules, house.tools)
    assert messages.case("first", house.rules, house.tools) is first
    messages.case("one too many", house.rules, house.tools)
    assert len(messages) == session.MAX_MESSAGES
    assert messages.case("second", house.rules, house.tools) is not second


def test_a_message_of_an_hour_ago_is_another_one(tmp_path: Path) -> None:
    built, messages = build(tmp_path, RULES), Messages()
    old = messages.case("a.1", built.house.rules, built.house.tools)
    built.clock.now += session.MAX_AGE
    assert messages.case("a.1", built.house.rules, built.house.tools) is not old
