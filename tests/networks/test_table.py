"""Tables of networks: the formats that people publish, and the line of what is wrong."""

import io
import ipaddress

import pytest

from postward.networks.broken import BrokenDatabase
from postward.networks.table import MAX_LINE, Table, read_table
from postward.tools import Network


def _table(text: str) -> Table:
    return read_table(io.StringIO(text, newline=""), "asn.csv")


def _find(table: Table, address: str) -> Network | None:
    return table.find(ipaddress.ip_address(address))


FORMATS = {
    "ours": "network,asn,name,country\n192.0.2.0/24,64500,Example,DE\n2001:db8::/32,64500,Example,DE\n",
    "ours without a header": "192.0.2.0/24,AS64500,Example,DE\n2001:db8::/32,AS64500,Example,DE\n",
    "iptoasn": "192.0.2.0\t192.0.2.255\t64500\tDE\tExample\n"
    "2001:db8::\t2001:db8:ffff::\t64500\tDE\tExample\n",
    "with comments": "# made today\n\n192.0.2.0/24,64500,Example,DE\n2001:db8::/32,64500,Example,DE\n",
    "ipinfo": "start_ip,end_ip,country,asn,as_name\n"
    "192.0.2.0,192.0.2.255,DE,AS64500,Example\n2001:db8::,2001:db8:ffff::,DE,AS64500,Example\n",
    "quoted": '"network","asn","name","country"\r\n"192.0.2.0/24","64500","Example","DE"\r\n'
    '"2001:db8::/32","64500","Example","DE"\r\n',
}


@pytest.mark.parametrize("text", FORMATS.values(), ids=list(FORMATS))
def test_formats(text: str) -> None:
    table = _table(text)
    for address in ("192.0.2.0", "192.0.2.255", "2001:db8::", "2001:db8:fff::1"):
        assert _find(table, address) == Network(64500, "Example", "DE")
    for address in ("192.0.1.255", "192.0.3.0", "2001:db7::", "2001:db9::"):
        assert _find(table, address) is None


def test_geolite_has_no_country() -> None:
    header = "network,autonomous_system_number,autonomous_system_organization\n"
    table = _table(f'{header}192.0.2.0/24,64500,"Example, Inc."\n')
    assert _find(table, "192.0.2.1") == Network(64500, "Example, Inc.")


def test_db_ip_has_no_country_either() -> None:
    table = _table('192.0.2.0,192.0.2.255,64500,"Example, Inc."\n')
    assert _find(table, "192.0.2.1") == Network(64500, "Example, Inc.")


def test_what_is_not_routed_is_nobody_s() -> None:
    table = _table("192.0.2.0\t192.0.2.255\t0\tNone\tNot routed\n198.51.100.0\t198.51.100.9\t1\tX\tY\n")
    assert _find(table, "192.0.2.1") is None
    assert len(table) == 1


def test_a_quote_in_a_table_with_tabs_is_a_character() -> None:
    table = _table('192.0.2.0\t192.0.2.255\t64500\tDE\t"Example\n192.0.3.0\t192.0.3.255\t64501\tDE\tB\n')
    assert _find(table, "192.0.2.1") == Network(64500, '"Example', "DE")
    assert _find(table, "192.0.3.1") == Network(64501, "B", "DE")


def test_a_network_inside_another_holds() -> None:
    table = _table("10.0.0.0/8,1,A\n10.1.0.0/16,2,B\n")
    assert _find(table, "10.1.2.3") == Network(2, "B")
    assert _find(table, "10.2.2.3") == Network(1, "A")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("192.0.2.0/24,64500,A\n192.0.3.0/33,64500,A\n", "asn.csv:2: '192.0.3.0/33' is no network"),
        ("192.0.2.1/24,64500,A\n", "asn.csv:1: '192.0.2.1/24' is no network: it has bits beyond its length"),
        ("192.0.2.0/24,64500,A\n192.0.2.256/32,1,A\n", "asn.csv:2: '192.0.2.256' is no address"),
        ("192.0.2.0/24,64500,A\n192.0.2.0/,1,A\n", "asn.csv:2: '192.0.2.0/' is no network"),
        ("192.0.2.0/24,64500,A\n192.0.3.0/24,x,A\n", "asn.csv:2: 'x' is no AS number"),
        ("192.0.2.0/24,4294967296,A\n", "asn.csv:1: '4294967296' is no AS number"),
        ("192.0.2.9,192.0.2.1,1,A\n", "asn.csv:1: the range ends before it begins"),
        ("192.0.2.9,2001:db8::,1,A\n", "asn.csv:1: the range ends before it begins"),
        ("hello\n", "asn.csv:1: neither a header"),
        ("a,b,c\n", "asn.csv:1: 'a' is no address"),
        ("", "asn.csv: holds no networks"),
        ("network,asn\n", "asn.csv: holds no networks"),
        ("network,asn\n\0,1\n", "asn.csv:2: "),
        ("x" * MAX_LINE, "asn.csv:0: a line of more than"),
        ("192.0.2.0/24,1,A\n" + "x" * MAX_LINE, "asn.csv:1: a line of more than"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, said: str) -> None:
    with pytest.raises(BrokenDatabase) as caught:
        _table(text)
    assert str(caught.value).startswith(said)
