"""What the milter says: replies and changes as actions, encoded and decoded.

Every text is made safe before it becomes an action (`answer`, `stamp`, with `field`); what cannot go
over the wire here is a mistake of ours and raises ValueError.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from milters.wire import MAX_PACKET, Packet, ProtocolError, packet

BODY_CHUNK: Final = 65_535  # octets; MILTER_CHUNK_SIZE


class Reply(Enum):
    """Replies that say all by themselves (SMFIR_*)."""

    CONTINUE = "c"
    ACCEPT = "a"
    DISCARD = "d"
    TEMPFAIL = "t"
    REJECT = "r"
    SKIP = "s"
    PROGRESS = "p"


@dataclass(frozen=True, slots=True)
class Negotiated:
    """SMFIC_OPTNEG: what we speak and want; `macros` asks for macros by stage (SMFIM_*)."""

    version: int
    actions: int
    steps: int
    macros: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ReplyCode:
    """SMFIR_REPLYCODE: an SMTP reply in our own words; the MTA says `text` as it is here."""

    code: int
    enhanced: str
    text: str


@dataclass(frozen=True, slots=True)
class InsertHeader:
    """SMFIR_INSHEADER: a field that becomes number `index` from the top (0: first)."""

    index: int
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class ChangeHeader:
    """SMFIR_CHGHEADER: another value for the `occurrence`-th (from 1) field `name`; empty removes it."""

    occurrence: int
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class DeleteRecipient:
    """SMFIR_DELRCPT: the path is spelled as in RcptTo."""

    path: bytes


@dataclass(frozen=True, slots=True)
class ReplaceBody:
    """SMFIR_REPLBODY: a piece of the new body."""

    chunk: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PutOnHold:
    """SMFIR_QUARANTINE: Postfix puts the message on its hold queue."""

    why: str


Change = InsertHeader | ChangeHeader | DeleteRecipient | ReplaceBody | PutOnHold
Action = Reply | ReplyCode | Negotiated | Change
Answer = tuple[Action, ...]
"""Changes first, then one reply; empty where the MTA does not wait for any."""

SILENCE: Final[Answer] = ()
CONTINUE: Final[Answer] = (Reply.CONTINUE,)
_CONTINUE: Final = packet(ord(Reply.CONTINUE.value))


def encode_answer(answer: Answer) -> bytes:
    """An answer as octets."""
    if answer is CONTINUE:
        return _CONTINUE
    return b"".join(packet(*encode(action)) for action in answer)


def encode(action: Action) -> Packet:
    """One action as a packet. Raises ValueError for text that cannot be said."""
    match action:
        case Reply():
            return ord(action.value), b""
        case ReplyCode(code, enhanced, text):
            # The MTA takes % for the start of a format, as libmilter documents for smfi_setreply.
            return ord("y"), _strings([f"{code} {enhanced} {text}".replace("%", "%%")])
        case Negotiated(version, actions, steps, wanted):
            head = b"".join(word.to_bytes(4, "big") for word in (version, actions, steps))
            lists = (stage.to_bytes(4, "big") + _strings([names]) for stage, names in wanted)
            return ord("O"), head + b"".join(lists)
        case InsertHeader(index, name, value):
            return ord("i"), index.to_bytes(4, "big") + _strings([name, value])
        case ChangeHeader(occurrence, name, value):
            return ord("m"), occurrence.to_bytes(4, "big") + _strings([name, value])
        case DeleteRecipient(path):
            return ord("-"), path + b"\0"
        case ReplaceBody(chunk):
            return ord("b"), chunk
        case PutOnHold(why):
            return ord("q"), _strings([why])


def decode(command: int, payload: bytes) -> Action:
    """The action in a packet: the MTA's side. Raises ProtocolError."""
    letter = chr(command)
    if letter in _LETTERS and not payload:
        return _LETTERS[letter]
    match letter:
        case "y":
            return _reply_code(_text(payload))
        case "O":
            return _negotiated(payload)
        case "i" | "m":
            name, _, value = _text(payload[4:]).partition("\0")
            kind = InsertHeader if letter == "i" else ChangeHeader
            return kind(int.from_bytes(payload[:4], "big"), name, value)
        case "-":
            return DeleteRecipient(payload[:-1])
        case "b":
            return ReplaceBody(payload)
        case "q":
            return PutOnHold(_text(payload))
    raise ProtocolError(f"unknown reply {letter!r}")


def body_chunks(body: bytes) -> Iterable[ReplaceBody]:
    """A whole new body in pieces; an empty one is one empty piece."""
    for at in range(0, max(len(body), 1), BODY_CHUNK):
        yield ReplaceBody(body[at : at + BODY_CHUNK])


_LETTERS: Final = {reply.value: reply for reply in Reply}


def _strings(texts: Iterable[str]) -> bytes:
    words = [text.encode("utf-8", "surrogateescape") for text in texts]
    if any(b"\0" in word for word in words) or sum(map(len, words)) > MAX_PACKET // 2:
        raise ValueError("text with NUL, or of half a megabyte")
    return b"".join(word + b"\0" for word in words)


def _text(payload: bytes) -> str:
    if payload[-1:] != b"\0":
        raise ProtocolError("a string without an end")
    return payload[:-1].decode("utf-8", "surrogateescape")


def _reply_code(text: str) -> ReplyCode:
    words = text.replace("%%", "%").split(" ", 2)
    if len(words) != 3 or not words[0].isdigit():
        raise ProtocolError(f"no SMTP reply: {text!r}")
    return ReplyCode(int(words[0]), words[1], words[2])


def _negotiated(payload: bytes) -> Negotiated:
    version, actions, steps = (int.from_bytes(payload[at : at + 4], "big") for at in (0, 4, 8))
    wanted: list[tuple[int, str]] = []
    rest = payload[12:]
    while rest:
        names, sep, after = rest[4:].partition(b"\0")
        if not sep:
            raise ProtocolError("a macro list without an end")
        wanted.append((int.from_bytes(rest[:4], "big"), names.decode("ascii")))
        rest = after
    return Negotiated(version, actions, steps, tuple(wanted))
