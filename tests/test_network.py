"""Client addresses and their networks."""

import ipaddress

import pytest

from postward.network import address_of, network_of


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("0000:0000:0000:0000:0000:ffff:192.100.200.101", "192.100.200.101"),
    ],
)
def test_an_address_is_read_in_one_way(text: str, address: str) -> None:
    assert address_of(text) == ipaddress.ip_address(address)


@pytest.mark.parametrize(
    "text", ["", "unknown", "192.0.2.1 ", "1.2.3", "fe80::1%eth0", 'fe80::1%","x":"', "1" * 9999]
)
def test_what_is_no_address_is_none(text: str) -> None:
    assert address_of(text) is None


def test_neighbours_count_as_one() -> None:
    one, two, other = map(ipaddress.ip_address, ("192.0.2.1", "192.0.2.200", "192.0.3.1"))
    assert network_of(one) == network_of(two) != network_of(other)
