"""The database of a site: several files, read again when they changed, the old one behind a broken one."""

import gzip
import ipaddress
import logging
import os
from pathlib import Path

import pytest

from postward.networks.database import Database, open_networks
from postward.tools import Network, Networks, NoNetworks
from tests.networks.mmdb import mmdb


def _asn(networks: Networks, address: str) -> int | None:
    network = networks.find(ipaddress.ip_address(address))
    return network.asn if network is not None else None


def _write(path: Path, text: str) -> Path:
    """As updates do: a new file in the old one's place."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    return fresh.rename(path)


def test_the_first_file_that_knows_an_address_tells(tmp_path: Path) -> None:
    table = _write(tmp_path / "asn.csv", "192.0.2.0/24,1,A\n")
    other = tmp_path / "asn.mmdb"
    other.write_bytes(mmdb({"192.0.0.0/16": {"asn": 2}, "2001:db8::/32": {"asn": 3}}))
    networks = open_networks([table, other], NoNetworks())
    assert [_asn(networks, each) for each in ("192.0.2.1", "192.0.3.1", "2001:db8::1", "::1")] == [
        1,
        2,
        3,
        None,
    ]


def test_a_number_is_of_one_version(tmp_path: Path) -> None:
    networks = open_networks([_write(tmp_path / "asn.csv", "0.0.0.0/8,4,A\n::/64,6,B\n")], NoNetworks())
    assert _asn(networks, "0.0.0.1") == 4
    assert _asn(networks, "::1") == 6
    assert networks.find(ipaddress.ip_address("0.0.0.1")) == Network(4, "A")


@pytest.mark.parametrize("name", ["asn.csv.gz", "asn.mmdb.gz"])
def test_a_packed_file_is_read(tmp_path: Path, name: str) -> None:
    octets = b"192.0.2.0/24,1,A\n" if "csv" in name else mmdb({"192.0.2.0/24": {"asn": 1}})
    (tmp_path / name).write_bytes(gzip.compress(octets))
    assert _asn(open_networks([tmp_path / name], NoNetworks()), "192.0.2.1") == 1


def test_what_has_not_changed_is_not_read_again(tmp_path: Path) -> None:
    path = _write(tmp_path / "asn.csv", "192.0.2.0/24,1,A\n")
    networks = open_networks([path], NoNetworks())
    assert open_networks([path], networks) is networks


def test_what_has_changed_is(tmp_path: Path) -> None:
    path = _write(tmp_path / "asn.csv", "192.0.2.0/24,1,A\n")
    networks = open_networks([path], NoNetworks())
    assert _asn(networks, "192.0.2.1") == 1
    fresh = open_networks([_write(path, "192.0.2.0/24,22,A\n")], networks)
    assert _asn(fresh, "192.0.2.1") == 22
    assert _asn(networks, "192.0.2.1") == 1


@pytest.mark.parametrize("how", ["broken", "gone", "cut"])
def test_of_a_broken_file_the_one_read_before_stays(
    tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "asn.csv.gz"
    path.write_bytes(gzip.compress(b"192.0.2.0/24,1,A\n"))
    other = _write(tmp_path / "other.csv", "198.51.100.0/24,2,B\n")
    networks = open_networks([path, other], NoNetworks())
    if how == "gone":
        path.unlink()
    else:
        octets = gzip.compress(b"192.0.2.0/24,1,A\n192.0.3.0/24,-1,A\n" + os.urandom(5000))
        path.write_bytes(octets[:4000] if how == "cut" else gzip.compress(b"1.0.0.0/8,1\nx/8,1\n"))
    _write(other, "198.51.100.0/24,33,B\n")
    with caplog.at_level(logging.ERROR):
        fresh = open_networks([path, other], networks)
    assert _asn(fresh, "192.0.2.1") == 1
    assert _asn(fresh, "198.51.100.1") == 33
    (record,) = caplog.records
    assert record.getMessage().endswith("the one read before stays")
    assert str(path) in record.getMessage()
    assert ("asn.csv.gz:2: 'x' is no address" in record.getMessage()) is (how == "broken")


def test_a_broken_file_at_the_start_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    networks = open_networks([_write(tmp_path / "asn.csv", "x\n")], NoNetworks())
    assert _asn(networks, "192.0.2.1") is None
    assert "it is left out" in caplog.text


def test_a_file_that_is_no_longer_named_is_let_go(tmp_path: Path) -> None:
    path = _write(tmp_path / "asn.csv", "192.0.2.0/24,1,A\n")
    fresh = open_networks([], open_networks([path], NoNetworks()))
    assert isinstance(fresh, Database)
    assert _asn(fresh, "192.0.2.1") is None
