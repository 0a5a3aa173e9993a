"""Lists: what each kind of entry matches, and which of several."""

import ipaddress

import pytest

from postward.address import NULL, parse
from postward.list_value import BadEntry
from postward.lists import CompiledList
from postward.tools import Entry, Match, Network, NoNetworks
from tests.checks.entries import OneNetwork

NOW = 1_800_000_000.0


def _list(*values: str | Entry) -> CompiledList:
    made = CompiledList("x")
    for value in values:
        made.add(value if isinstance(value, Entry) else Entry(value))
    return made


def _client(made: CompiledList, address: str, name: str = "unknown") -> str | None:
    found = made.match_network(ipaddress.ip_address(address), name, NoNetworks(), NOW)
    return found.entry.value if found is not None else None


def _address(made: CompiledList, address: str) -> str | None:
    entry = made.match_address(parse(address), NOW)
    return entry.value if entry is not None else None


def _domain(made: CompiledList, name: str) -> str | None:
    entry = made.match_domain(name, NOW)
    return entry.value if entry is not None else None


@pytest.mark.parametrize(
    ("value", "inside", "outside"),
    [
        ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
        ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
        ("192.0.2.0/25", "192.0.2.127", "192.0.2.128"),
        ("0.0.0.0/0", "203.0.113.1", "2001:db8::1"),
        ("2001:db8::7", "2001:db8::7", "2001:db8::8"),
        ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
        ("::/0", "2001:db8::1", "192.0.2.1"),
    ],
)
def test_a_network_matches_the_addresses_in_it(value: str, inside: str, outside: str) -> None:
    made = _list(value)
    assert _client(made, inside) == value
    assert _client(made, outside) is None


def test_the_longest_prefix_wins() -> None:
    made = _list("192.0.0.0/16", "192.0.2.7", "192.0.2.0/24")
    assert _client(made, "192.0.2.7") == "192.0.2.7"
    assert _client(made, "192.0.2.8") == "192.0.2.0/24"
    assert _client(made, "192.0.3.1") == "192.0.0.0/16"


def test_a_client_is_looked_up_by_its_verified_name_too() -> None:
    assert _client(_list(".example.org"), "192.0.2.1", "mx.example.org") == ".example.org"


def test_the_address_comes_before_the_name() -> None:
    assert _client(_list("mx.example.org", "192.0.2.1"), "192.0.2.1", "mx.example.org") == "192.0.2.1"


def test_unknown_is_no_name() -> None:
    assert _client(_list("unknown"), "192.0.2.1", "unknown") is None


def test_a_client_without_an_address_is_looked_up_by_name() -> None:
    assert _list("example.org").match_network(None, "example.org", NoNetworks(), NOW) is not None


@pytest.mark.parametrize(
    ("value", "name", "matches"),
    [
        ("example.org", "example.org", True),
        ("example.org", "EXAMPLE.org.", True),
        ("example.org", "mx.example.org", False),
        (".example.org", "example.org", True),
        (".example.org", "a.b.example.org", True),
        (".example.org", "badexample.org", False),
        ("bücher.example", "xn--bcher-kva.example", True),
        (".org", "example.org", True),
        ("localhost", "localhost", True),
    ],
)
def test_names(value: str, name: str, matches: bool) -> None:
    assert _domain(_list(value), name) == (value if matches else None)


def test_the_nearest_name_wins() -> None:
    made = _list(".org", ".example.org", "mx.example.org")
    assert _domain(made, "mx.example.org") == "mx.example.org"
    assert _domain(made, "a.example.org") == ".example.org"
    assert _domain(made, "other.org") == ".org"


@pytest.mark.parametrize(
    ("value", "address", "matches"),
    [
        ("alice@example.org", "ALICE@Example.ORG", True),
        ("alice@example.org", "bob@example.org", False),
        ("alice@example.org", "alice@mx.example.org", False),
        ("postmaster@", "PostMaster@any.example", True),
        ("postmaster@", "postmaster", True),
        ("example.org", "alice@example.org", True),
        (".example.org", "alice@mx.example.org", True),
        ("alice@bücher.example", "alice@xn--bcher-kva.example", True),
        ("example.org", "alice@exa mple.org", False),
    ],
)
def test_addresses(value: str, address: str, matches: bool) -> None:
    assert _address(_list(value), address) == (value if matches else None)


def test_the_null_sender_is_on_no_list() -> None:
    assert _list(".org", "postmaster@").match_address(NULL, NOW) is None


def test_the_address_comes_before_local_part_and_domain() -> None:
    made = _list("example.org", "alice@", "alice@example.org")
    assert _address(made, "alice@example.org") == "alice@example.org"
    assert _address(made, "alice@other.example") == "alice@"
    assert _address(made, "bob@example.org") == "example.org"


@pytest.mark.parametrize("value", ["192.0.2.1", "example.org", ".example.org", "a@example.org", "a@"])
@pytest.mark.parametrize(("expires", "matches"), [(NOW + 1, True), (NOW, False), (NOW - 1, False)])
def test_an_entry_that_has_expired_does_not_match(value: str, expires: float, matches: bool) -> None:
    made = _list(Entry(value, expires=expires))
    found = (
        made.match_network(ipaddress.ip_address("192.0.2.1"), "", NoNetworks(), NOW)
        or made.match_domain("example.org", NOW)
        or made.match_address(parse("a@example.org"), NOW)
    )
    assert (found is not None) is matches


def test_behind_an_expired_entry_a_wider_one_matches() -> None:
    assert _client(_list(Entry("192.0.2.1", expires=NOW - 1), "192.0.2.0/24"), "192.0.2.1") == "192.0.2.0/24"
    assert _domain(_list(Entry("a.b.org", expires=NOW - 1), ".b.org"), "a.b.org") == ".b.org"


@pytest.mark.parametrize(
    "value",
    ["192.0.2.1/24", "192.0.2.256", "1.2.3", "", " ", ".", "a b", "@example.org", "a@b@", "*.example.org",
     "[192.0.2.1]", "2001:db8::1::", "a..b", "x" * 64, "AS0", "AS4294967296"],
)  # fmt: skip
def test_what_is_no_entry(value: str) -> None:
    with pytest.raises(BadEntry):
        _list(value)


@pytest.mark.parametrize(
    ("first", "second"),
    [("a.org", "A.org."), (".a.org", ".A.org"), ("192.0.2.0/24", "192.0.2.0/24"), ("x@a.org", "X@A.org"),
     ("x@", "X@"), ("2001:db8::", "2001:db8:0::")],
)  # fmt: skip
def test_an_entry_stands_once(first: str, second: str) -> None:
    with pytest.raises(BadEntry, match="already"):
        _list(first, second)


def test_its_length_counts_all_kinds_of_entries() -> None:
    values = ("a.org", ".a.org", "x@a.org", "x@", "192.0.2.1", "192.0.2.0/31", "2001:db8::1", "AS1")
    made = _list(*values)
    assert len(made) == len(values)
    assert {entry.value for entry in made.entries()} == set(values)


def test_a_name_of_many_labels_ends() -> None:
    assert _domain(_list(".x"), ".".join("a" * 120)) is None


NETWORKS = OneNetwork("192.0.2.0/24", Network(64500))


def _match(made: CompiledList, address: str, name: str = "unknown") -> Match | None:
    return made.match_network(ipaddress.ip_address(address), name, NETWORKS, NOW)


def test_a_system_matches_the_addresses_that_the_database_gives_it() -> None:
    made = _list("AS64500")
    assert _match(made, "192.0.2.7") == Match(Entry("AS64500"), "asn")
    assert _match(made, "198.51.100.7") is None


def test_without_a_database_a_system_matches_nothing() -> None:
    made = _list("AS64500")
    assert made.match_network(ipaddress.ip_address("192.0.2.7"), "unknown", NoNetworks(), NOW) is None


def test_a_list_without_systems_never_asks_the_database() -> None:
    networks = OneNetwork("192.0.2.0/24", Network(64500))
    made = _list(".example.org", "198.51.100.0/24")
    assert made.match_network(ipaddress.ip_address("192.0.2.7"), "mx.example.net", networks, NOW) is None
    assert networks.asked == 0


def test_network_name_and_system_in_this_order() -> None:
    made = _list("AS64500", ".example.org", "192.0.2.0/28")
    assert _match(made, "192.0.2.7", "mx.example.org") == Match(Entry("192.0.2.0/28"), "address")
    assert _match(made, "192.0.2.77", "mx.example.org") == Match(Entry(".example.org"), "name")
    assert _match(made, "192.0.2.77", "mx.example.net") == Match(Entry("AS64500"), "asn")


def test_a_system_that_has_expired_does_not_match() -> None:
    assert _match(_list(Entry("AS64500", expires=NOW)), "192.0.2.7") is None


@pytest.mark.parametrize(
    ("values", "names", "systems"),
    [(("192.0.2.1", "a@b.org"), False, False), (("a.org",), True, False), ((".a.org", "AS1"), True, True)],
)
def test_it_knows_what_can_match(values: tuple[str, ...], names: bool, systems: bool) -> None:
    made = _list(*values)
    assert (made.has_names, made.has_systems) == (names, systems)
