"""Framing of the policy protocol, without I/O: bytes -> requests, an action -> bytes.

A request is `name=value` lines and an empty line (Postfix SMTPD_POLICY_README, "Protocol
description"); an answer is one `action=` line and an empty line. Promise: however the bytes are
split, the same requests come out; nothing larger than the limits is ever kept.
"""

from itertools import repeat

MAX_REQUEST = 65_536  # octets; Postfix sends some 700, client certificate subjects make it a few thousand
MAX_ATTRIBUTES = 100  # Postfix 3.12 sends 35
MAX_ACTION = 990  # octets; the line is below RFC 5322 2.1.1's 998. A PREPEND of the findings is the longest


class ProtocolError(Exception):
    """Bytes that are no policy request; the text says why, for the log."""


class Framer:
    """Cuts a stream into requests. After a ProtocolError the connection is of no more use."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The complete requests in what has come so far, without their empty lines.

        Raises ProtocolError when an unfinished request grows beyond MAX_REQUEST, and as soon as its
        first line shows that somebody speaks another protocol.
        """
        if self._kept:
            data = self._kept + data
        *complete, rest = data.split(b"\n\n")
        if len(rest) > MAX_REQUEST:
            raise ProtocolError(f"a request of more than {MAX_REQUEST} octets")
        if rest and not complete:  # what is complete is answered first; the next octets bring us back
            _refuse_other_protocols(rest)
        self._kept = rest
        return complete

    @property
    def unfinished(self) -> int:
        """How many octets of an unfinished request are kept."""
        return len(self._kept)


def _refuse_other_protocols(begun: bytes) -> None:
    """HTTP, SMTP and the like end their lines in CR LF and wait for an answer before an empty line."""
    line, newline, _ = begun.partition(b"\n")
    if newline and (b"=" not in line or line.endswith(b"\r")):
        raise ProtocolError("a line without `=`" if b"=" not in line else "a line that ends in CR LF")


def parse(request: bytes) -> dict[str, str]:
    """The attributes of one request; of a repeated one the last.

    Values are text that no component may take for a format; bytes that are not UTF-8 become lone
    surrogates. Raises ProtocolError.
    """
    if len(request) > MAX_REQUEST:
        raise ProtocolError(f"a request of more than {MAX_REQUEST} octets")
    try:
        text = request.decode()
    except UnicodeDecodeError:
        text = request.decode("utf-8", "surrogateescape")
    lines = text.split("\n")
    if len(lines) > MAX_ATTRIBUTES:
        raise ProtocolError(f"more than {MAX_ATTRIBUTES} attributes")
    try:
        # All in C: a request has some thirty lines, and this is a third of what an answer costs.
        attributes = dict(map(str.split, lines, repeat("="), repeat(1)))
    except ValueError:
        raise ProtocolError("a line without `=`") from None
    if attributes.get("request") != "smtpd_access_policy":
        raise ProtocolError("not a request=smtpd_access_policy")
    if "\0" in text:
        raise ProtocolError("a NUL octet")
    return attributes


def answer(action: str) -> bytes:
    """The bytes of an answer. `action` is made one line of printable ASCII, whatever it was."""
    if not (action.isascii() and action.isprintable()):
        action = "".join(char if char.isascii() and char.isprintable() else "?" for char in action)
    return b"action=" + action[:MAX_ACTION].encode("ascii") + b"\n\n"


DUNNO = answer("DUNNO")
