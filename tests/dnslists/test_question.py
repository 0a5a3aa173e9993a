"""Labels to ask for, and what is never asked."""

import ipaddress

import pytest

from postward.dnslists.question import domain, of_address, of_name
from tests.dnslists.scripted import org


def test_octets_and_nibbles_are_turned_round() -> None:
    assert of_address(ipaddress.ip_address("198.51.100.7")) == "7.100.51.198"
    labels = of_address(ipaddress.ip_address("2001:db8::1"))
    assert labels == "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"
    assert of_address(ipaddress.ip_address("::ffff:198.51.100.7")) == "7.100.51.198"


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.0.0.2", "10.1.2.3", "172.31.0.1", "192.168.1.1", "169.254.1.1", "100.64.0.1",
     "0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fd00::1", "ff02::1",
     "::ffff:10.0.0.1"],
)  # fmt: skip
def test_addresses_of_this_site_are_never_asked(address: str) -> None:
    assert of_address(ipaddress.ip_address(address)) == ""


def test_a_name_is_asked_as_lists_keep_it() -> None:
    assert domain("MAIL.Example.ORG.") == "mail.example.org"
    assert domain("bücher.example.org") == "xn--bcher-kva.example.org"
    assert domain("BÜCHER.example.org") == "xn--bcher-kva.example.org"


@pytest.mark.parametrize(
    "name",
    ["", ".", "localhost", "[192.0.2.1]", "[IPv6:2001:db8::1]", "192.0.2.1", "mail.local", "pc.lan", "a..b",
     "x.in-addr.arpa", "with space.example", "nul\0.example", "<script>.example", "x" * 300, "a." * 200 + "b",
     "\udcff.example.org", "a.invalid"],
)  # fmt: skip
def test_what_no_list_can_know_is_never_asked(name: str) -> None:
    assert domain(name) == ""


def test_the_owner_or_the_name_or_both() -> None:
    assert of_name("a.b.example", "org", org) == ("b.example",)
    assert of_name("a.b.example", "name", org) == ("a.b.example",)
    assert of_name("a.b.example", "both", org) == ("b.example", "a.b.example")
    assert of_name("b.example", "both", org) == ("b.example",)
