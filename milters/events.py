"""What the MTA says: milter commands as events, decoded and encoded.

Text stays octets here; `intake` reads it. Strings end with NUL on the wire (libmilter's mfdef.h).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from milters.wire import Packet, ProtocolError

FAMILY_UNKNOWN: Final = "U"
FAMILY_UNIX: Final = "L"
FAMILY_INET: Final = "4"
FAMILY_INET6: Final = "6"
_FAMILIES: Final = frozenset("UL46")
MAX_ARGUMENTS: Final = 100  # ESMTP parameters of one MAIL or RCPT
MAX_MACROS: Final = 200
MAX_COMMAND: Final = 16_384  # octets of what one SMTP command said; Postfix cuts its lines at 2,048


@dataclass(frozen=True, slots=True)
class Negotiate:
    """SMFIC_OPTNEG: the protocol version, the actions (`wire.Offer`) and steps (`wire.Steps`) it knows."""

    version: int
    actions: int
    steps: int


@dataclass(frozen=True, slots=True)
class Macros:
    """SMFIC_MACRO: macros for the command `stage` (its command octet, as in `C` or `M`) that follows.

    `raw` is name, NUL, value, NUL, ...; most are never read, so that they are parsed on demand.
    """

    stage: str
    raw: bytes = field(repr=False)

    def pairs(self) -> dict[str, str]:
        """Names, without braces, and values. Raises ProtocolError."""
        words = self.raw.split(b"\0")
        if len(words) % 2 == 0 or words[-1] or len(words) > 2 * MAX_MACROS:
            raise ProtocolError("macros that do not come in pairs, or too many of them")
        texts = [word.decode("utf-8", "surrogateescape") for word in words]
        return {name.strip("{}"): value for name, value in zip(texts[:-1:2], texts[1::2], strict=True)}


@dataclass(frozen=True, slots=True)
class Connect:
    """SMFIC_CONNECT: the client's name, address family, port and address."""

    name: bytes
    family: str
    port: int
    address: bytes


@dataclass(frozen=True, slots=True)
class Helo:
    """SMFIC_HELO: what the client called itself."""

    name: bytes


@dataclass(frozen=True, slots=True)
class MailFrom:
    """SMFIC_MAIL: the reverse-path with angle brackets, and its ESMTP parameters."""

    path: bytes
    parameters: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class RcptTo:
    """SMFIC_RCPT: a forward-path with angle brackets, and its ESMTP parameters."""

    path: bytes
    parameters: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Data:
    """SMFIC_DATA: the client said DATA, or BDAT for the first time."""


@dataclass(frozen=True, slots=True)
class Header:
    """SMFIC_HEADER: one field; folds are bare LF, leading space is there if it was negotiated."""

    name: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class EndOfHeaders:
    """SMFIC_EOH: the header is complete."""


@dataclass(frozen=True, slots=True)
class Body:
    """SMFIC_BODY: a piece of the body, cut anywhere."""

    chunk: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class EndOfMessage:
    """SMFIC_BODYEOB: the message is complete; `chunk` is a last piece of the body."""

    chunk: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Unknown:
    """SMFIC_UNKNOWN: an SMTP command that the MTA does not know."""

    command: bytes


@dataclass(frozen=True, slots=True)
class Abort:
    """SMFIC_ABORT: the message is over without an end (RSET, a refused command, a lost client)."""


@dataclass(frozen=True, slots=True)
class Quit:
    """SMFIC_QUIT: the MTA is going to close."""


@dataclass(frozen=True, slots=True)
class QuitNewConnection:
    """SMFIC_QUIT_NC: this SMTP session is over, another follows on the same connection."""


Event = (
    Negotiate
    | Macros
    | Connect
    | Helo
    | MailFrom
    | RcptTo
    | Data
    | Header
    | EndOfHeaders
    | Body
    | EndOfMessage
    | Unknown
    | Abort
    | Quit
    | QuitNewConnection
)


def decode(command: int, payload: bytes) -> Event:
    """The event in a packet. Raises ProtocolError for an unknown command or a broken payload."""
    reader = _READERS.get(command)
    if reader is None:
        raise ProtocolError(f"unknown command {bytes([command])!r}")
    if len(payload) > MAX_COMMAND and command not in _LARGE:
        raise ProtocolError(f"a {bytes([command])!r} command of {len(payload)} octets")
    return reader(payload)


def encode(event: Event) -> Packet:
    """The packet for an event: the MTA's side."""
    match event:
        case Negotiate(version, actions, steps):
            words = (version, actions, steps)
            return ord("O"), b"".join(word.to_bytes(4, "big") for word in words)
        case Macros(stage, raw):
            return ord("D"), stage.encode("latin-1") + raw
        case Connect(name, family, port, address):
            head = name + b"\0" + family.encode("ascii")
            rest = b"" if family == FAMILY_UNKNOWN else port.to_bytes(2, "big") + address + b"\0"
            return ord("C"), head + rest
        case Helo(name):
            return ord("H"), name + b"\0"
        case MailFrom(path, parameters):
            return ord("M"), _strings((path, *parameters))
        case RcptTo(path, parameters):
            return ord("R"), _strings((path, *parameters))
        case Header(name, value):
            return ord("L"), _strings((name, value))
        case Unknown(said):
            return ord("U"), said + b"\0"
        case Body(chunk):
            return ord("B"), chunk
        case EndOfMessage(chunk):
            return ord("E"), chunk
        case _:
            return _BARE[type(event)], b""


def macros(stage: str, pairs: Iterable[tuple[str, str]]) -> Macros:
    """Macros as they go over the wire; names longer than one letter get their braces."""
    words = []
    for name, value in pairs:
        words += [name if len(name) == 1 else "{" + name + "}", value]
    return Macros(stage, _strings(word.encode("utf-8", "surrogateescape") for word in words))


def _strings(words: Iterable[bytes]) -> bytes:
    return b"".join(word + b"\0" for word in words)


def _negotiate(payload: bytes) -> Negotiate:
    if len(payload) < 12:
        raise ProtocolError(f"a negotiation of {len(payload)} octets")
    version, actions, steps = (int.from_bytes(payload[at : at + 4], "big") for at in (0, 4, 8))
    return Negotiate(version, actions, steps)


def _macros(payload: bytes) -> Macros:
    if not payload:
        raise ProtocolError("macros for no command")
    return Macros(chr(payload[0]), payload[1:])


def _connect(payload: bytes) -> Connect:
    name, sep, rest = payload.partition(b"\0")
    family = chr(rest[0]) if rest else ""
    if not sep or family not in _FAMILIES:
        raise ProtocolError("a connect without a client name or address family")
    if family == FAMILY_UNKNOWN:
        return Connect(name, family, 0, b"")
    if len(rest) < 4 or rest[-1]:
        raise ProtocolError("a connect without a client address")
    return Connect(name, family, int.from_bytes(rest[1:3], "big"), rest[3:-1])


def _ended(payload: bytes) -> bytes:
    """The one string of a payload. Postfix stops at the first NUL of what a client sent; so do we."""
    text, sep, _ = payload.partition(b"\0")
    if not sep:
        raise ProtocolError("a string without an end")
    return text


def _helo(payload: bytes) -> Helo:
    return Helo(_ended(payload))


def _unknown(payload: bytes) -> Unknown:
    return Unknown(_ended(payload))


def _arguments(payload: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    words = payload.split(b"\0")
    if len(words) < 2 or words[-1] or len(words) > MAX_ARGUMENTS:
        raise ProtocolError("an envelope command without an address, or with too many parameters")
    return words[0], tuple(words[1:-1])


def _mail(payload: bytes) -> MailFrom:
    return MailFrom(*_arguments(payload))


def _rcpt(payload: bytes) -> RcptTo:
    return RcptTo(*_arguments(payload))


def _header(payload: bytes) -> Header:
    name, sep, rest = payload.partition(b"\0")
    if not sep or not rest or rest[-1]:
        raise ProtocolError("a header field without a name or an end")
    return Header(name, rest[:-1])


def _bare(event: Event) -> Callable[[bytes], Event]:
    def read(payload: bytes) -> Event:
        if payload:
            raise ProtocolError(f"{type(event).__name__} with {len(payload)} octets")
        return event

    return read


_BARE: Final[dict[type, int]] = {
    Data: ord("T"),
    EndOfHeaders: ord("N"),
    Abort: ord("A"),
    Quit: ord("Q"),
    QuitNewConnection: ord("K"),
}
_LARGE: Final = frozenset(b"LBE")  # a header field, a piece of the body
_READERS: Final[dict[int, Callable[[bytes], Event]]] = {
    ord("O"): _negotiate,
    ord("D"): _macros,
    ord("C"): _connect,
    ord("H"): _helo,
    ord("M"): _mail,
    ord("R"): _rcpt,
    ord("L"): _header,
    ord("B"): Body,
    ord("E"): EndOfMessage,
    ord("U"): _unknown,
    **{command: _bare(kind()) for kind, command in _BARE.items()},
}
