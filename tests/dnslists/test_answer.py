"""What an answer means: only a code that the definition names is a listing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postward.dnslists.answer import CLEAN, Listed, Nonsense, Refused, Silent, read
from postward.dnslists.definition import pattern
from postward.tools import Answer, Listing, NoData, NoName, Records, Trouble
from tests.dnslists.scripted import KEY, definition, keyed


def said(*values: str, **changes: Any) -> Any:
    return read(definition(**changes), Records(values, 300))


def test_a_code_that_is_named_is_a_listing() -> None:
    assert said("127.0.0.2") == Listed((Listing("bl", "127.0.0.2", "code 127.0.0.2", 2.0),))


def test_each_code_counts_once() -> None:
    listed = said("127.0.0.2", "127.0.0.64", "127.0.0.65", "127.0.0.66")
    assert [(each.code, each.score) for each in listed.listings] == [("127.0.0.2", 2.0), ("127.0.0.64", 1.0)]


def test_one_answer_can_have_several_bits() -> None:
    listed = said("127.0.0.66", codes={"bit 2": 4.0, "bit 64": 1.0, "bit 8": 9.0})
    assert [each.score for each in listed.listings] == [4.0, 1.0]


def test_a_code_that_is_not_named_is_nothing() -> None:
    assert said("127.0.0.3") == CLEAN


def test_a_code_with_the_score_0_is_nothing() -> None:
    assert said("127.0.0.2", codes={"127.0.0.2": 0.0}) == CLEAN


@pytest.mark.parametrize("answer", [NoName(300), NoData(300)])
def test_a_denial_is_not_listed(answer: Answer[str]) -> None:
    assert read(definition(), answer) == CLEAN


def test_trouble_is_silence() -> None:
    assert read(definition(), Trouble("SERVFAIL")) == Silent("SERVFAIL")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("127.255.255.252", "misspelt"),
        ("127.255.255.254", "run a resolver of your own"),
        ("127.255.255.255", "too many queries"),
        ("127.255.255.1", "it refuses the query"),
    ],
)
def test_error_codes_are_refusals(value: str, why: str) -> None:
    refused = said("127.0.0.2", value)
    assert isinstance(refused, Refused)
    assert value in refused.why
    assert why in refused.why


def test_a_refusal_of_the_list_s_own() -> None:
    each = definition(codes={"127.0.*.*": 5.0}, refusals=(pattern("127.0.0.255"), pattern("127.0.0.1")))
    assert isinstance(read(each, Records(("127.0.0.255",), 1)), Refused)
    assert isinstance(read(each, Records(("127.0.0.1",), 1)), Refused)


NONSENSE = [
    "127.0.0.1", "0.0.0.0", "10.0.0.2", "192.0.2.1", "198.51.100.99", "255.255.255.255", "126.255.255.255",
    "128.0.0.2", "1.2.3.4", "::1", "127.0.0.2.3", "127.0.0", "", "listed", "\x1b[31m127.0.0.2",
]  # fmt: skip


@pytest.mark.parametrize("value", NONSENSE)
def test_nonsense_is_never_a_listing(value: str) -> None:
    nonsense = said("127.0.0.2", value)
    assert isinstance(nonsense, Nonsense)
    assert "is no answer of a list" in nonsense.why
    assert nonsense.why.isprintable()


def test_too_many_answers_are_nonsense() -> None:
    assert said(*(f"127.0.0.{n}" for n in range(2, 60))) == Nonsense("58 addresses in one answer")


@given(st.text(max_size=60), st.booleans())
def test_no_key_stands_in_what_an_answer_says(noise: str, trouble: bool) -> None:
    text = f"{noise}{KEY}.bl.example{noise.swapcase()}"
    answer: Answer[str] = Trouble(text) if trouble else Records((text,), 1)
    assert KEY.lower() not in repr(read(keyed(), answer)).lower()


@given(st.lists(st.ip_addresses(v=4).map(str), min_size=1, max_size=40))
def test_a_listing_always_has_a_code_of_the_definition(values: list[str]) -> None:
    found = said(*values)
    if isinstance(found, Listed):
        assert all(value.startswith("127.") and not value.startswith("127.255.255.") for value in values)
        assert {each.means for each in found.listings} <= {"code 127.0.0.2", "code bit 64"}
