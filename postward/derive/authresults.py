"""Authentication-Results (RFC 8601): whose a field claims to be, and our own field.

Reading is one pass over bounded octets. Writing quotes what is not a token and leaves out what cannot
be said in ASCII, so that nobody can put a result of their own into our field (THREATS A4).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

FIELD_NAME: Final = "Authentication-Results"
MAX_ID_FIELD: Final = 4_096  # octets in which the authserv-id must be complete
MAX_VALUE: Final = 400  # characters of one value that we write; a longer one is left out
_MAX_DEPTH: Final = 32  # of nested comments
_TOKEN: Final = frozenset(b"!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz{|}~")
_ATOM: Final = frozenset("!#$%&'*+-/=?^_`{|}~.") | frozenset(chr(octet) for octet in _TOKEN)
_LABEL: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.")
_BLANK: Final = frozenset(b" \t\r\n")


@dataclass(frozen=True, slots=True)
class Property:
    """One `ptype.property=value` (RFC 8601 2.3), such as `smtp` `mailfrom` `a@example.org`."""

    ptype: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Result:
    """What one method gave: `spf` `pass`, why, and of what."""

    method: str
    result: str
    reason: str = ""
    properties: tuple[Property, ...] = ()


def authserv_id_of(value: bytes) -> str | None:
    """The authserv-id of a field's value: lower case, unquoted, without final dot.

    `None` where there is none that any reader could agree on: the field does not begin with an id
    that a version, `;` or the end follows (RFC 8601 2.2). Such a field must not be trusted.
    """
    value = value[:MAX_ID_FIELD]
    at = _skip_blanks(value, 0)
    word, at = _quoted(value, at) if value[at : at + 1] == b'"' else _token(value, at)
    if not word or at < 0:
        return None
    after = _skip_blanks(value, at)
    if after < 0:
        return None
    if after > at:
        after = _skip_version(value, after)
    if after < 0 or (after < len(value) and value[after : after + 1] != b";"):
        return None
    name = word.strip().decode("ascii", "replace").lower().rstrip(".")
    return name or None


def write(authserv_id: str, results: Iterable[Result]) -> str:
    """The value of our own field, not folded: printable ASCII. No results: `none` (RFC 8601 2.2)."""
    parts = [_result(result) for result in results]
    return "; ".join([_value(authserv_id) or "localhost", *(parts or ["none"])])


def _result(result: Result) -> str:
    words = [f"{result.method}={result.result}"]
    reason = _value(result.reason)
    if reason:
        words.append(f"reason={reason}")
    for each in result.properties:
        value = _property_value(each.value)
        if value:
            words.append(f"{each.ptype}.{each.name}={value}")
    return " ".join(words)


def _value(text: str) -> str:
    """`text` as a token or quoted-string (RFC 2045 5.1), empty when it cannot be said."""
    if not text or len(text) > MAX_VALUE or not (text.isascii() and text.isprintable()):
        return ""
    if all(ord(char) in _TOKEN for char in text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _property_value(text: str) -> str:
    """A pvalue (RFC 8601 2.2): an address stands bare where it is plain; the rest as `_value`."""
    local, sep, domain = text.rpartition("@")
    plain = sep and domain and len(text) <= MAX_VALUE and _is_dot_atom(local)
    if plain and _LABEL.issuperset(domain) and ".." not in domain and not domain.startswith("."):
        return text
    return _value(text)


def _is_dot_atom(local: str) -> bool:
    """RFC 5322 3.2.3 dot-atom-text."""
    return bool(local) and _ATOM.issuperset(local) and all(local.split("."))


def _skip_blanks(value: bytes, at: int) -> int:
    """The index after white space and comments (CFWS, RFC 5322 3.2.2); -1 for a broken comment."""
    depth = 0
    end = len(value)
    while at < end:
        octet = value[at]
        if octet == 0x28:  # (
            depth += 1
            if depth > _MAX_DEPTH:
                return -1
        elif depth and octet == 0x29:  # )
            depth -= 1
        elif depth and octet == 0x5C:  # backslash: a quoted pair
            at += 1
        elif not depth and octet not in _BLANK:
            return at
        at += 1
    return -1 if depth else end


def _skip_version(value: bytes, at: int) -> int:
    """The index after an authres-version and what blanks follow it; `at` when there is none."""
    start = at
    while at < len(value) and 0x30 <= value[at] <= 0x39:
        at += 1
    return _skip_blanks(value, at) if at > start else at


def _token(value: bytes, at: int) -> tuple[bytes, int]:
    start = at if at >= 0 else len(value)
    at = start
    while at < len(value) and value[at] in _TOKEN:
        at += 1
    return value[start:at], at


def _quoted(value: bytes, at: int) -> tuple[bytes, int]:
    """A quoted-string without its quotes and folds, and the index after it; -1 when it does not end."""
    out = bytearray()
    at += 1
    while at < len(value):
        octet = value[at]
        if octet == 0x22:
            return bytes(out), at + 1
        if octet == 0x5C:
            at += 1
            octet = value[at] if at < len(value) else 0x20
        if octet not in b"\r\n":
            out.append(octet)
        at += 1
    return b"", -1
