"""Framing of the milter protocol, without I/O: octets in, packets out, and back.

A packet is a length (32 bits, network order), one command octet, and length - 1 octets of payload
(libmilter's mfdef.h and mfapi.h; there is no RFC). What a packet means stands in `events` (from the
MTA) and `actions` (to the MTA).

Promise: nothing is allocated for an announced length before its octets came, the same octets give
the same packets however they are split, and what cannot be a packet raises `ProtocolError`.
"""

import struct
from typing import Final

VERSION: Final = 6
OLDEST_VERSION: Final = 2
MAX_PACKET: Final = 1 << 20  # octets; Postfix sends body chunks of 65,535 and header fields below 60,000
_HEAD: Final = struct.Struct(">IB")
_LENGTH_OCTETS: Final = 4

Packet = tuple[int, bytes]
"""The command octet and the payload."""


class ProtocolError(Exception):
    """The peer did not speak the milter protocol: its connection is closed, with one log line."""


class Offer:
    """What the milter may do (SMFIF_*)."""

    ADD_HEADERS: Final = 0x01
    CHANGE_BODY: Final = 0x02
    DELETE_RECIPIENTS: Final = 0x08
    CHANGE_HEADERS: Final = 0x10
    QUARANTINE: Final = 0x20
    SET_MACROS: Final = 0x100
    ALL: Final = 0x1FF


class Steps:
    """Which steps the MTA leaves out, and which it does not wait for (SMFIP_*)."""

    NO_CONNECT: Final = 0x01
    NO_HELO: Final = 0x02
    NO_MAIL: Final = 0x04
    NO_RCPT: Final = 0x08
    NO_BODY: Final = 0x10
    NO_HEADERS: Final = 0x20
    NO_END_OF_HEADERS: Final = 0x40
    SILENT_HEADER: Final = 0x80
    NO_UNKNOWN: Final = 0x100
    NO_DATA: Final = 0x200
    SKIP: Final = 0x400
    SILENT_CONNECT: Final = 0x1000
    SILENT_HELO: Final = 0x2000
    SILENT_MAIL: Final = 0x4000
    SILENT_RCPT: Final = 0x8000
    SILENT_DATA: Final = 0x10000
    SILENT_UNKNOWN: Final = 0x20000
    SILENT_END_OF_HEADERS: Final = 0x40000
    SILENT_BODY: Final = 0x80000
    LEADING_SPACE: Final = 0x100000
    ALL: Final = 0x1FFFFF


def packet(command: int, payload: bytes = b"") -> bytes:
    """One packet as octets."""
    return _HEAD.pack(len(payload) + 1, command) + payload


class Decoder:
    """Cuts a stream of octets into packets. Holds at most one packet and what `feed` was given."""

    __slots__ = ("_need", "_rest")

    def __init__(self) -> None:
        self._rest = bytearray()
        self._need = 0

    @property
    def inside(self) -> bool:
        """Whether a packet has begun that is not complete."""
        return bool(self._rest)

    def feed(self, data: bytes) -> list[Packet]:
        """The packets that `data` completes. Raises ProtocolError for a length that cannot be."""
        rest = self._rest
        if rest:
            rest += data
            if len(rest) < self._need:
                return []
            data = bytes(rest)
            rest.clear()
        packets: list[Packet] = []
        at, end = 0, len(data)
        need = _LENGTH_OCTETS
        while end - at >= _LENGTH_OCTETS:
            length = int.from_bytes(data[at : at + _LENGTH_OCTETS], "big")
            if not 0 < length <= MAX_PACKET:
                raise ProtocolError(f"a packet of {length} octets")
            stop = at + _LENGTH_OCTETS + length
            if stop > end:
                need = _LENGTH_OCTETS + length
                break
            packets.append((data[at + _LENGTH_OCTETS], data[at + 5 : stop]))
            at = stop
        if at < end:
            rest += data[at:]
            self._need = need
        return packets
