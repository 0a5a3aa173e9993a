"""Ranges: which one holds, however they come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postward.networks.ranges import Owners, Ranges
from postward.tools import Network


def _ranges(version: int, *rows: tuple[int, int, int]) -> Ranges:
    made = Ranges(version)
    for row in rows:
        made.add(*row)
    return made.ordered()


@pytest.mark.parametrize("version", [4, 6])
def test_the_edges_of_a_range(version: int) -> None:
    made = _ranges(version, (10, 19, 1), (30, 39, 2))
    found = [made.find(address) for address in (9, 10, 19, 20, 29, 30, 39, 40)]
    assert found == [None, 1, 1, None, None, 2, 2, None]


def test_all_128_bits_count() -> None:
    top = 2**128 - 1
    made = _ranges(6, (0, 0, 1), (top - 1, top - 1, 2), (top, top, 3))
    assert [made.find(address) for address in (0, 1, top - 2, top - 1, top)] == [1, None, None, 2, 3]


def test_of_several_the_smallest_holds() -> None:
    made = _ranges(4, (0, 99, 1), (10, 19, 2), (15, 15, 3), (50, 59, 4))
    assert [made.find(n) for n in (9, 10, 14, 15, 16, 20, 49, 50, 60, 100)] == [
        1, 2, 2, 3, 2, 1, 1, 4, 1, None
    ]  # fmt: skip


def test_nothing_is_in_no_range() -> None:
    assert _ranges(4).find(1) is None


NESTED = st.lists(
    st.tuples(st.integers(0, 15), st.integers(0, 4)).map(
        lambda each: (each[0] >> each[1] << each[1], 1 << each[1])
    ),
    max_size=12,
)


@given(NESTED, st.sampled_from([4, 6]))
def test_any_nested_ranges_in_any_order(blocks: list[tuple[int, int]], version: int) -> None:
    rows = [(first, first + size - 1, number) for number, (first, size) in enumerate(blocks)]
    made = _ranges(version, *rows)
    for address in range(32):
        holding = [row for row in rows if row[0] <= address <= row[1]]
        smallest = min(holding, key=lambda row: (row[1] - row[0], -row[2]), default=None)
        assert made.find(address) == (smallest[2] if smallest else None)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).map(sorted), max_size=12))
def test_ranges_that_overlap_leave_no_address_out(pairs: list[list[int]]) -> None:
    made = _ranges(4, *((first, last, number) for number, (first, last) in enumerate(pairs)))
    for address in range(32):
        holding: set[int | None] = {
            number for number, (first, last) in enumerate(pairs) if first <= address <= last
        }
        assert made.find(address) in (holding or {None})


def test_owners_are_kept_once() -> None:
    owners = Owners()
    numbers = [owners.number(64500, "A", "DE"), owners.number(64501, "", ""), owners.number(64500, "A", "DE")]
    owners.close()
    assert numbers == [0, 1, 0]
    assert [owners[number] for number in (0, 1)] == [Network(64500, "A", "DE"), Network(64501)]


@pytest.mark.parametrize("version", [4, 6])
def test_more_ranges_than_are_sorted_in_one_go(version: int) -> None:
    rows = [(first, first + 5, first) for first in range(0, 100_000, 10)]
    made = _ranges(version, *reversed(rows))
    assert all(made.find(first + 5) == first and made.find(first + 6) is None for first, _, _ in rows)
