"""The findings field: what is sealed comes out again, and nothing else does."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postward.carried import MAX_OCTETS, Carried, CarriedSpf, seal, unseal

KEY = b"k" * 32
QUEUE_ID = "4XYZabc123"
SPF = CarriedSpf("fail", "mailfrom", "alice@example.net", "192.0.2.1; not allowed\r\n")
FULL = Carried("0123456789", 7.25, "friend", (("spf-fail", 3.0), ("allow-sender", -5.0)), SPF)

names = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz0123456789-"), min_size=1, max_size=48)
scores = st.integers(-99_999, 99_999).map(lambda number: number / 100)
spfs = st.builds(CarriedSpf, *(st.text(st.characters(codec="utf-8"), max_size=60) for _ in range(4)))
carrieds = st.builds(
    Carried,
    st.just("0123456789"),
    scores,
    st.just("") | names,
    st.lists(st.tuples(names, scores), max_size=8).map(tuple),
    st.none() | spfs,
)


@pytest.mark.parametrize("carried", [FULL, Carried("0123456789"), replace(FULL, spf=None)])
def test_what_is_sealed_comes_out(carried: Carried) -> None:
    assert unseal(KEY, QUEUE_ID, seal(KEY, QUEUE_ID, carried)) == carried


@given(carrieds)
def test_anything_that_fits_comes_out(carried: Carried) -> None:
    value = seal(KEY, QUEUE_ID, carried)
    back = unseal(KEY, QUEUE_ID, value)
    assert back is not None
    assert (back.trace, back.score, back.accepted_by) == (carried.trace, carried.score, carried.accepted_by)
    assert back.hits == carried.hits[: len(back.hits)]


@given(carrieds)
def test_a_seal_is_one_short_printable_line(carried: Carried) -> None:
    value = seal(KEY, QUEUE_ID, carried)
    assert value.isascii()
    assert value.isprintable()
    assert len(value) <= MAX_OCTETS + 8


def test_white_space_around_it_does_not_matter() -> None:
    assert unseal(KEY, QUEUE_ID, f" {seal(KEY, QUEUE_ID, FULL)}\r\n") == FULL


def test_hits_that_do_not_fit_are_left_out_from_the_last() -> None:
    hits = tuple((f"{number:02}-{'x' * 40}", 1.0) for number in range(50))
    carried = Carried("0123456789", 50.0, hits=hits)
    back = unseal(KEY, QUEUE_ID, seal(KEY, QUEUE_ID, carried))
    assert back is not None
    assert 10 < len(back.hits) < 50
    assert back.hits == hits[: len(back.hits)]
    assert back.score == 50


def test_an_spf_result_that_does_not_fit_is_left_out() -> None:
    carried = replace(FULL, spf=replace(SPF, value="x" * 2_000))
    back = unseal(KEY, QUEUE_ID, seal(KEY, QUEUE_ID, carried))
    assert back is not None
    assert back.spf is None


def test_a_queue_id_that_is_absurd_is_refused() -> None:
    with pytest.raises(ValueError, match="several hundred octets"):
        seal(KEY, "x" * 2_000, FULL)


def test_another_key_opens_nothing() -> None:
    assert unseal(b"x" * 32, QUEUE_ID, seal(KEY, QUEUE_ID, FULL)) is None


def test_another_message_is_not_told_anything() -> None:
    assert unseal(KEY, "OTHER", seal(KEY, QUEUE_ID, FULL)) is None


def test_every_character_is_sealed() -> None:
    value = seal(KEY, QUEUE_ID, FULL)
    for index, char in enumerate(value):
        forged = value[:index] + ("0" if char != "0" else "1") + value[index + 1 :]
        assert unseal(KEY, QUEUE_ID, forged) is None


@pytest.mark.parametrize(
    "value",
    ["", "; m=", "v=1; q=4XYZabc123; t=x; s=0; m=", "v=1; m=ü", "x" * 10_000, "; m=" * 999, "\udcff; m=0"],
)
def test_what_is_not_ours_is_nothing(value: str) -> None:
    assert unseal(KEY, QUEUE_ID, value) is None


@given(st.text(st.characters(codec=None), max_size=200))
def test_nothing_is_raised_for_any_value(value: str) -> None:
    assert unseal(KEY, QUEUE_ID, value) is None
