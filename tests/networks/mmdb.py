"""Writes small databases in MaxMind's format (MMDB 2.0, records of 24 bits, IPv6), for tests."""

import ipaddress
import struct
from collections.abc import Mapping
from typing import Any

from postward.networks.mmdb import MARKER

_EMPTY = -1


def mmdb(networks: Mapping[str, Mapping[str, Any]]) -> bytes:
    """A database that gives each network (CIDR, apart from each other) its record."""
    data, pointers = b"", {}
    for cidr, record in networks.items():
        pointers[cidr] = len(data)
        data += _value(dict(record))
    nodes: list[list[int]] = [[_EMPTY, _EMPTY]]
    leaves: dict[tuple[int, int], int] = {}
    for cidr, place in pointers.items():
        network = ipaddress.ip_network(cidr)
        bits = f"{int(network.network_address):0{network.max_prefixlen}b}"[: network.prefixlen]
        bits = "0" * 96 + bits if network.version == 4 else bits
        node = 0
        for bit in bits[:-1]:
            if nodes[node][int(bit)] == _EMPTY:
                nodes.append([_EMPTY, _EMPTY])
                nodes[node][int(bit)] = len(nodes) - 1
            node = nodes[node][int(bit)]
        leaves[node, int(bits[-1])] = place
    tree = b""
    for number, node_records in enumerate(nodes):
        for side, record_number in enumerate(node_records):
            place_or_none = leaves.get((number, side))
            if place_or_none is not None:
                record_number = len(nodes) + 16 + place_or_none  # noqa: PLW2901  # what is written
            elif record_number == _EMPTY:
                record_number = len(nodes)  # noqa: PLW2901
            tree += record_number.to_bytes(3)
    metadata = {
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": 1_790_000_000,
        "database_type": "Test-ASN",
        "description": {"en": "test"},
        "ip_version": 6,
        "languages": [],
        "node_count": len(nodes),
        "record_size": 24,
    }
    return tree + b"\0" * 16 + data + MARKER + _value(metadata)


def _value(value: Any) -> bytes:
    if isinstance(value, str):
        octets = value.encode()
        return _head(2, len(octets)) + octets
    if isinstance(value, int):
        return _head(6, 4) + struct.pack("!I", value)
    if isinstance(value, dict):
        return _head(7, len(value)) + b"".join(_value(key) + _value(each) for key, each in value.items())
    return _head(11, len(value)) + b"".join(map(_value, value))


def _head(kind: int, size: int) -> bytes:
    extra = b"" if size < 29 else bytes([size - 29])
    low = size if size < 29 else 29
    return bytes([kind << 5 | low]) + extra if kind <= 7 else bytes([low, kind - 7]) + extra
