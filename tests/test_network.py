"""Client addresses and their networks."""

import ipaddress

import pytest

from postward.network import address_of, is_public, may_be_public, network_of


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


@pytest.mark.parametrize("text", ["8.8.8.8", "192.0.1.1", "223.255.255.254", "2600::1", "2a00:1450::1"])
def test_what_a_host_of_the_internet_has_is_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    "text",
    [
        *("0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.2", "169.254.169.254", "172.31.255.255", "192.0.0.8"),
        *("192.88.99.1", "192.168.0.1", "198.19.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "::7f00:1", "::ffff:8.8.8.8", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1"),
        *("100::1", "2001::1", "2001:0:7f00:1::", "2001:2::1", "2001:20::1", "2001:2f:ffff::1"),
        *("2002:7f00:1::1", "3fff::1", "3fff:fff::1", "5f00::1", "fc00::1", "fe80::1", "fec0::1", "ff02::1"),
    ],
)
def test_what_is_special_or_hides_an_address_is_not_public(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))
    assert not may_be_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1"])
def test_examples_are_not_public_but_could_be(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))
    assert may_be_public(ipaddress.ip_address(text))
