"""Databases of networks as text: CSV or TSV, a range or a CIDR with its AS number a line.

Read are files with a header line that names its columns (`network,asn,name,country`, the ASN blocks of
GeoLite2, ipinfo's), and files without one in the order that people publish: `network,asn,name,country`;
`start,end,asn,country,name` (iptoasn.com); `start,end,asn,name` (db-ip.com). Lines that begin with `#` are
left out.
"""

import csv
import socket
import time
from collections.abc import Iterator, Sequence
from typing import IO

from postward.mail import IPAddress
from postward.networks.broken import BrokenDatabase
from postward.networks.ranges import Owners, Ranges
from postward.tools import Network

MAX_LINE = 8_192  # octets
MAX_RANGES = 4_000_000  # four times what the Internet has; 100 MB
_TURN = 500  # lines, about a millisecond
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_NO_SYSTEM = ("", "0", "-", "AS0")
_COLUMNS = {
    "network": ("network", "cidr", "prefix", "ip_range"),
    "first": ("start", "start_ip", "range_start", "first", "ip_start"),
    "last": ("end", "end_ip", "range_end", "last", "ip_end"),
    "asn": ("asn", "autonomous_system_number", "as_number", "as"),
    "name": ("name", "as_name", "autonomous_system_organization", "as_description", "organization", "org"),
    "country": ("country", "country_code", "cc", "as_country"),
}
Row = Sequence[str]
Columns = dict[str, int]


class Table:
    """Implements `postward.tools.Networks`, without a cache."""

    def __init__(self) -> None:
        self.ranges = {4: Ranges(4), 6: Ranges(6)}
        self.owners = Owners()

    def find(self, address: IPAddress) -> Network | None:
        owner = self.ranges[address.version].find(int(address))
        return self.owners[owner] if owner is not None else None

    def __len__(self) -> int:
        return sum(map(len, self.ranges.values()))


def read_table(stream: IO[str], file: str) -> Table:
    """The table in `stream`; other threads get their turn meanwhile. Raises BrokenDatabase, with the line."""
    table = Table()
    start = stream.readline(MAX_LINE)
    tabs = "\t" in start
    lines = csv.reader(
        _lines(start, stream),
        delimiter="\t" if tabs else ",",
        quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL,  # iptoasn.com has bare quotes in names
    )
    columns: Columns | None = None
    try:
        for row in lines:
            if not row or row[0].startswith("#"):
                continue
            if columns is None:
                columns, is_header = _columns(row)
                if is_header:
                    continue
            _take(table, row, columns)
            if lines.line_num % _TURN == 0:
                time.sleep(0)  # gives the interpreter lock away: mail is judged in another thread
    except (csv.Error, ValueError) as error:
        raise BrokenDatabase(f"{file}:{lines.line_num}: {error}") from None
    if not len(table):
        raise BrokenDatabase(f"{file}: holds no networks")
    table.owners.close()
    table.ranges = {version: ranges.ordered() for version, ranges in table.ranges.items()}
    return table


def _lines(first: str, stream: IO[str]) -> Iterator[str]:
    """`first` and the lines after it. Raises ValueError for a line that is too long."""
    line = first
    while line:
        if len(line) >= MAX_LINE:
            raise ValueError(f"a line of more than {MAX_LINE} characters: this is no table of networks")
        yield line
        line = stream.readline(MAX_LINE)


def _columns(row: Row) -> tuple[Columns, bool]:
    """Which columns a file has, by its first line, and whether that is a header. Raises ValueError."""
    words = [cell.strip().lower() for cell in row]
    named = {
        what: words.index(name)
        for what, names in _COLUMNS.items()
        for name in reversed(names)
        if name in words
    }
    if "asn" in named and ("network" in named or {"first", "last"} <= set(named)):
        return named, True
    names: tuple[str, ...]
    if "/" in row[0] and len(row) >= 2:
        names = ("network", "asn", "name", "country")
    elif len(row) >= 5:
        names = ("first", "last", "asn", "country", "name")
    elif len(row) >= 3:
        names = ("first", "last", "asn", "name")
    else:
        raise ValueError(
            "neither a header such as network,asn,name nor a network or range with its AS number"
        )
    return dict(zip(names, range(len(row)), strict=False)), False


def _take(table: Table, row: Row, columns: Columns) -> None:
    """Take one line in. Raises ValueError."""
    asn = _cell(row, columns, "asn")
    if asn in _NO_SYSTEM:  # not routed
        return
    version, first, last = (_network if "network" in columns else _range)(row, columns)
    owner = table.owners.number(_asn(asn), _cell(row, columns, "name"), _cell(row, columns, "country"))
    if len(table.ranges[version]) >= MAX_RANGES:
        raise ValueError(f"more than {MAX_RANGES} ranges")
    table.ranges[version].add(first, last, owner)


def _cell(row: Row, columns: Columns, what: str) -> str:
    index = columns.get(what, len(row))
    return row[index].strip() if index < len(row) else ""


def _asn(text: str) -> int:
    digits = text[2:] if text[:2].upper() == "AS" else text
    number = int(digits) if digits.isdecimal() and len(digits) <= 10 else 0
    if not 0 < number < 2**32:
        raise ValueError(f"{text[:40]!r} is no AS number")
    return number


def _network(row: Row, columns: Columns) -> tuple[int, int, int]:
    """Version, first and last address of a CIDR."""
    text = _cell(row, columns, "network")
    address, slash, digits = text.partition("/")
    version, first = _address(address)
    width = 32 if version == 4 else 128
    length = int(digits) if digits.isdecimal() and len(digits) <= 3 else width + bool(slash)
    if length > width:
        raise ValueError(f"{text[:60]!r} is no network")
    rest = (1 << (width - length)) - 1
    if first & rest:
        raise ValueError(f"{text[:60]!r} is no network: it has bits beyond its length")
    return version, first, first | rest


def _range(row: Row, columns: Columns) -> tuple[int, int, int]:
    """Version, first and last address of a range."""
    version, first = _address(_cell(row, columns, "first"))
    other, last = _address(_cell(row, columns, "last"))
    if version != other or last < first:
        raise ValueError("the range ends before it begins")
    return version, first, last


def _address(text: str) -> tuple[int, int]:
    """Version and number. `ipaddress` takes ten times as long, and there are a million of them."""
    version = 6 if ":" in text else 4
    try:
        return version, int.from_bytes(socket.inet_pton(_FAMILIES[version], text))
    except (OSError, ValueError):  # ValueError: a NUL or a surrogate in it
        raise ValueError(f"{text[:60]!r} is no address") from None
