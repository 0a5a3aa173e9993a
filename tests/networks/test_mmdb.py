"""Databases in MaxMind's format: what they hold, and what a broken one does."""

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postward.networks.broken import BrokenDatabase
from postward.networks.mmdb import MARKER, Mmdb
from postward.tools import Network
from tests.networks.mmdb import mmdb

GEOLITE = {"autonomous_system_number": 64500, "autonomous_system_organization": "Example Hosting"}
NETWORKS: dict[str, dict[str, Any]] = {
    "192.0.2.0/24": GEOLITE,
    "198.51.100.0/25": {"asn": "AS64501", "as_name": "Ünïcode Ltd", "country_code": "DE"},
    "203.0.113.0/24": {"country": "FR"},
    "2001:db8::/32": {"autonomous_system_number": 64502},
}
WHOLE = mmdb(NETWORKS)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", Network(64500, "Example Hosting")),
        ("192.0.3.7", None),
        ("198.51.100.127", Network(64501, "Ünïcode Ltd", "DE")),
        ("198.51.100.128", None),
        ("203.0.113.1", None),
        ("2001:db8:ffff::1", Network(64502)),
        ("2001:db9::1", None),
    ],
)
def test_whose_an_address_is(address: str, network: Network | None) -> None:
    assert Mmdb(WHOLE, "x").find(ipaddress.ip_address(address)) == network


@pytest.mark.parametrize(
    "record",
    [
        {"asn": 0},
        {"asn": "ASx"},
        {"asn": {"number": 1}},
        {"asn": "AS99999999999"},
        {},
    ],
)
def test_a_record_without_an_as_number_is_nobody(record: dict[str, Any]) -> None:
    assert Mmdb(mmdb({"192.0.2.0/24": record}), "x").find(ipaddress.ip_address("192.0.2.7")) is None


def test_a_name_that_is_no_text_is_left_out() -> None:
    made = mmdb({"192.0.2.0/24": {"asn": 64500, "name": 7}})
    assert Mmdb(made, "x").find(ipaddress.ip_address("192.0.2.7")) == Network(64500)


@pytest.mark.parametrize("octets", [b"", MARKER, MARKER + b"\xff" * 40, b"x" * 1000 + MARKER + b"\xe0"])
def test_what_is_no_database_is_refused(octets: bytes) -> None:
    with pytest.raises(BrokenDatabase, match="x: no database in MaxMind's format"):
        Mmdb(octets, "x")


ADDRESSES = [ipaddress.ip_address(text) for text in ("192.0.2.7", "198.51.100.1", "2001:db8::1", "::")]


def _try(octets: bytes) -> None:
    try:
        made = Mmdb(octets, "x")
    except BrokenDatabase:
        return
    for address in ADDRESSES:
        found = made.find(address)
        assert found is None or 0 < found.asn < 2**32


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_no_broken_octet_raises(changes: list[tuple[int, int]]) -> None:
    octets = bytearray(WHOLE)
    for place, octet in changes:
        octets[place] = octet
    _try(bytes(octets))


@given(st.integers(0, len(WHOLE)))
def test_no_cut_raises(length: int) -> None:
    _try(WHOLE[:length])


@pytest.mark.parametrize(
    "pointer", [b"\x20\x00", b"\x38\xff\xff\xff\xff", b"\xff\xff\xff\xff", b"\x5f\xff\xff\xff"]
)
def test_data_that_points_to_itself_or_nowhere_is_nobody(pointer: bytes) -> None:
    place = WHOLE.index(b"\0" * 16, 300) + 16
    octets = WHOLE[:place] + pointer + WHOLE[place + len(pointer) :]
    _try(octets)
