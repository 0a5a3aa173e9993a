"""A bounded reader of DNS messages: names and records, and nothing that is not asked for (RFC 1035 4).

Replies come from whoever runs a zone. A library that builds objects of all that a reply holds can be
kept busy for seconds by 16 kB; here every step is counted, and a message has `STEPS` of them: some 2 ms.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

MAX_NAME = 255  # octets on the wire, RFC 1035 2.3.4
STEPS = 4_000
"""Labels, pointers and strings that are looked at in one message. Honest ones have some hundreds."""
_HEADER = struct.Struct(">HHHHHH")
_FIXED = struct.Struct(">HHIH")  # type, class, TTL, RDLENGTH: RFC 1035 4.1.3
_SOA_NUMBERS = 20
_POINTER = 0xC0
# Letters, digits and hyphen; the underscore too, which is no host's but met in many names.
_HOST = b"abcdefghijklmnopqrstuvwxyz0123456789-_"


class BadReply(ValueError):
    """A reply that is no reply to the question, or cannot be read."""


class Record(NamedTuple):
    """One record. `owner`: wire form in lower case; `at`, `end`: where its RDATA lies."""

    owner: bytes
    kind: int
    of: int
    ttl: int
    at: int
    end: int


class Reader:
    """Reads one message. All verbs raise `BadReply` for what they cannot read.

    `counts`: of questions, answers, authority and additional records, as the header claims.
    """

    def __init__(self, message: bytes) -> None:
        self._message = message
        self._left = STEPS
        self._pointed: dict[int, bytes] = {}
        try:
            _, flags, *counts = _HEADER.unpack_from(message)
        except struct.error as error:
            raise BadReply("shorter than a header") from error
        self.rcode = flags & 0x0F
        self.counts = tuple(counts)

    def question(self) -> tuple[bytes, int]:
        """The name that was asked for, and where the answers begin."""
        name, at = self.name(_HEADER.size)
        return name, at + 4

    def records(self, at: int, count: int) -> Iterator[tuple[Record, int]]:
        """`count` records from `at` on, each with the place where the next begins."""
        message = self._message
        for _ in range(count):
            owner, at = self.name(at)
            try:
                kind, of, ttl, length = _FIXED.unpack_from(message, at)
            except struct.error as error:
                raise BadReply("cut off in a record") from error
            at += _FIXED.size
            end = at + length
            if end > len(message):
                raise BadReply("cut off in a record")
            yield Record(owner, kind, of, ttl if ttl < 2**31 else 0, at, end), end  # RFC 2181 8
            at = end

    def name(self, at: int) -> tuple[bytes, int]:
        """The name at `at` in wire form and lower case, and where it ends."""
        message = self._message
        head, begin, after, target, before = b"", at, 0, -1, 0
        try:
            while True:
                length = message[at]
                if length == 0:
                    tail = message[begin : at + 1]
                    break
                self._step()
                if length < 64:
                    at += length + 1
                    continue
                if length < _POINTER:
                    raise BadReply("a label of an unknown kind")
                to = (length & 0x3F) << 8 | message[at + 1]
                if to >= begin:
                    raise BadReply("a name that points ahead")
                head += message[begin:at]
                if not after:
                    after, target, before = at + 2, to, len(head)
                known = self._pointed.get(to)
                if known is not None:
                    tail = known
                    break
                begin = at = to
        except IndexError as error:
            raise BadReply("cut off in a name") from error
        name = (head + tail).lower()  # the octets of lengths are below those of letters
        if len(name) > MAX_NAME:
            raise BadReply("a name of more than 255 octets")
        if target >= 0:
            self._pointed[target] = name[before:]
        return name, after or at + 1

    def sole_name(self, record: Record, skip: int = 0) -> bytes:
        """The name that is all of the RDATA behind its first `skip` octets."""
        name, end = self.name(record.at + skip)
        if end != record.end:
            raise BadReply("a name that does not fill its record")
        return name

    def octets(self, record: Record, size: int) -> bytes:
        """RDATA of `size` octets."""
        if record.end - record.at != size:
            raise BadReply(f"{record.end - record.at} octets in place of {size}")
        return self._message[record.at : record.end]

    def preference(self, record: Record) -> int:
        """The number before the name of an MX."""
        if record.end - record.at < 3:
            raise BadReply("cut off in a record")
        return int.from_bytes(self._message[record.at : record.at + 2], "big")

    def strings(self, record: Record) -> tuple[bytes, ...]:
        """The strings of a TXT."""
        message, at, found = self._message, record.at, []
        while at < record.end:
            self._step()
            end = at + 1 + message[at]
            if end > record.end:
                raise BadReply("cut off in a string")
            found.append(message[at + 1 : end])
            at = end
        if not found:
            raise BadReply("a text without a string")
        return tuple(found)

    def soa_minimum(self, record: Record) -> int:
        """The last number of an SOA: for how long denials hold."""
        _, at = self.name(record.at)
        _, at = self.name(at)
        if at + _SOA_NUMBERS != record.end:
            raise BadReply("an SOA of another size")
        return int.from_bytes(self._message[record.end - 4 : record.end], "big")

    def _step(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise BadReply("too many names")


def host(name: bytes) -> str | None:
    """The text of a name (wire form, lower case) without final dot; None if no host can be called so.

    `.` is the root. What NUL, 8-bit octets, markup and dots in a label do in other programs is the
    attacker's hope (THREATS D3).
    """
    labels, at = [], 0
    while length := name[at]:
        labels.append(name[at + 1 : at + 1 + length])
        at += length + 1
    if b"".join(labels).translate(None, _HOST):
        return None
    return b".".join(labels).decode("ascii") or "."
