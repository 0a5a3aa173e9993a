"""Does a host name show the address of its host? In any order and writing that providers use."""

import ipaddress
import re

from postward.mail import IPAddress

WHOLE, HALF = "whole address", "half of the address"
_NUMBER = re.compile(r"[0-9]+")
_PLAIN_NUMBER = re.compile(r"(?<![0-9])[0-9]++(?![0-9a-z])")  # not `1a2b`
_HEX = re.compile(r"(?<![0-9a-z])[0-9a-f]{8}(?![0-9a-z])")
_PAIR = re.compile(r"(?<![0-9a-z])([0-9a-f]{2})[-.](?=[0-9a-f]{2}(?![0-9a-z]))")
_SMALL = 31
"""Octets up to here are the numbers of any pool: part of an address needs a larger one."""


def address_in(host: str, client: IPAddress) -> str:
    """How much of the address `host` (lower case) shows: `WHOLE`, `HALF` or nothing."""
    if isinstance(client, ipaddress.IPv4Address):
        return _ipv4_in(host, client)
    return _ipv6_in(host, client)


def owner_shows(name: str, client: IPAddress) -> str:
    """`WHOLE` where the name shows most of the address in the registered domain, as `ip-192-0-2.eu` does."""
    if isinstance(client, ipaddress.IPv6Address) or not any(char.isdigit() for char in name):
        return ""
    octets = list(client.packed)
    values = _values(name)
    return WHOLE if _holds_all(values, octets) or _three_in(values, octets) else ""


def _ipv4_in(host: str, client: ipaddress.IPv4Address) -> str:
    if not host:
        return ""
    octets = list(client.packed)
    if _in_one_number(host, octets) or _in_hex(host, client):
        return WHOLE
    values = _values(host)
    if _holds_all(values, octets) or _three_in(values, octets):
        return WHOLE
    last = octets[2:]
    return HALF if max(last) > _SMALL and _either_way(values, last) else ""


def _values(text: str) -> list[int]:
    return [int(number) for number in _PLAIN_NUMBER.findall(text) if len(number) <= 3]


def _three_in(values: list[int], octets: list[int]) -> bool:
    return any(max(some) > _SMALL and _either_way(values, some) for some in (octets[1:], octets[:3]))


def _in_one_number(host: str, octets: list[int]) -> bool:
    """`040092073011`, `40927311` or `676088075`: the address as one run of digits, either way round."""
    numbers = [number for number in _NUMBER.findall(host) if len(number) >= 7]
    if not numbers:
        return False
    ways = (octets, octets[::-1])
    padded = ["".join(f"{octet:03d}" for octet in way) for way in ways]
    forms = {text for way in ways if len(text := "".join(map(str, way))) >= 7}
    forms |= {str(int.from_bytes(bytes(way), "big")) for way in ways if way[0]}
    return any(number in forms or any(form in number for form in padded) for number in numbers)


def _in_hex(host: str, client: ipaddress.IPv4Address) -> bool:
    """`c0a80105`, `c0-a8-01-05`, or with letters of the provider before it; whole or with halves swapped."""
    a, b, c, d = (f"{octet:02x}" for octet in client.packed)
    forms = (a + b + c + d, d + c + b + a, c + d + a + b, b + a + d + c)
    squeezed = _PAIR.sub(r"\1", host)
    if any(found in forms for found in _HEX.findall(squeezed)):
        return True
    # Glued to other letters it counts only when it could not be mistaken for a decimal number.
    return any(form in host and not form.isdigit() for form in forms[:2])


def _holds_all(values: list[int], octets: list[int]) -> bool:
    """Every octet as a number of its own, in any order."""
    left = list(values)
    for octet in octets:
        if octet not in left:
            return False
        left.remove(octet)
    return True


def _either_way(values: list[int], some: list[int]) -> bool:
    return _side_by_side(values, some) or _side_by_side(values, some[::-1])


def _side_by_side(values: list[int], some: list[int]) -> bool:
    return any(values[place : place + len(some)] == some for place in range(len(values) - len(some) + 1))


def _ipv6_in(host: str, client: ipaddress.IPv6Address) -> str:
    """The whole address, or its last 64 bits, as hexadecimal digits either way round."""
    digits = client.exploded.replace(":", "")
    squeezed = host.replace("-", "").replace(".", "")
    if digits in squeezed or digits[::-1] in squeezed or _as_label(host, client):
        return WHOLE
    low = digits[16:]
    shown = low.lstrip("0")
    if len(shown) >= 8 and (low in squeezed or shown in squeezed or low[::-1] in squeezed):
        return WHOLE
    return ""


def _as_label(host: str, client: ipaddress.IPv6Address) -> bool:
    """`2001-db8--1`: a label that is the address with other separators."""
    for label in host.split("."):
        for text in (label, label.lstrip("ghijklmnopqrstuvwxyz-"), label.partition("-")[2]):
            if text.count("-") < 2 or len(text) > 40:
                continue
            try:
                if ipaddress.IPv6Address(text.replace("-", ":")) == client:
                    return True
            except ValueError:
                continue
    return False
