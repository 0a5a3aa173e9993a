"""Envelope addresses, read the same way at both doors.

Postfix gives the policy protocol a cleaned address (unquoted local part, source route
removed) and the milter protocol the raw one with angle brackets. Both are read here, so that
no component ever takes another domain for the sender's (RFC 5321 4.1.2; THREATS A2, A4, A5).
"""

import ipaddress
import re
from dataclasses import dataclass
from encodings.idna import nameprep
from functools import lru_cache

MAX_ADDRESS = 1024  # octets; RFC 5321 4.5.3.1.3 allows 256, Postfix forwards more
MAX_DOMAIN = 255  # RFC 1035 2.3.4
_LABEL = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
_DOTS = str.maketrans("\u3002\uff0e\uff61", "...")  # RFC 3490 3.1
# IDNA2008 keeps what IDNA2003 mapped to other letters (RFC 5894 7.2): two domains, two owners.
_KEPT = re.compile("([\u00df\u03c2])")  # sharp s, final sigma
_JOINERS = re.compile("[\u200c\u200d]")


@dataclass(frozen=True, slots=True)
class Address:
    """An envelope address.

    `text` is what the client sent, without angle brackets and source route; `local` the local
    part without quotes; `domain` the domain in lower case, as A-labels where it was
    internationalized, `None` where there is none or it cannot be one. `problem` says why.
    """

    text: str
    local: str
    domain: str | None
    problem: str = ""

    @property
    def is_null(self) -> bool:
        """The null reverse-path `<>` of bounces (RFC 5321 4.5.5)."""
        return not self.text

    @property
    def has_literal(self) -> bool:
        """The domain is an address literal such as `[192.0.2.1]`."""
        return self.domain is not None and self.domain.startswith("[")

    def __str__(self) -> str:
        return self.text


NULL = Address("", "", None)


def parse(raw: str) -> Address:
    """Read an envelope address as either door gives it. Never raises."""
    return _parse(raw) if len(raw) <= MAX_ADDRESS else _read(raw)  # what is too long is not kept


def _read(raw: str) -> Address:
    text = raw.strip(" \t")
    if len(text) >= 2 and text[0] == "<" and text[-1] == ">":
        text = text[1:-1]
    if not text:
        return NULL
    if len(text) > MAX_ADDRESS:
        return Address(text[:MAX_ADDRESS], "", None, "address too long")
    if text[0] == "@" and ":" in text:  # source route, RFC 5321 appendix C
        route, text = text, text.split(":", 1)[1]
        if not text:  # not the null address: that has no route
            return Address(route, "", None, "no domain")
    at = _last_at_outside_quotes(text)
    if at < 0:
        return Address(text, _unquote(text), None, "no domain")
    local, domain = _unquote(text[:at]), normal_domain(text[at + 1 :])
    if domain is None:
        return Address(text, local, None, "not a domain name")
    if not local:
        return Address(text, "", domain, "empty local part")
    return Address(text, local, domain)


_parse = lru_cache(maxsize=4096)(_read)


def normal_domain(name: str) -> str | None:
    """The domain in lower case and A-labels, without a final dot; `None` when it cannot be one.

    Underscores pass: they occur in real host names. A literal stays as it is.
    """
    if name.startswith("["):
        return _literal(name)
    name = name.removesuffix(".").lower()
    if not name or len(name) > MAX_DOMAIN:
        return None
    if not name.isascii():
        try:
            name = ".".join(_a_label(label) for label in name.translate(_DOTS).split("."))
        except UnicodeError:
            return None
        if len(name) > MAX_DOMAIN:
            return None
    for label in name.split("."):
        if not 0 < len(label) <= 63 or not _LABEL.issuperset(label):
            return None
    return name


def _a_label(label: str) -> str:
    """One label in its ASCII form: RFC 3490 ToASCII, but for the letters that RFC 5892 allows again.

    Raises UnicodeError. Joiners, which are allowed in some words only, are refused.
    """
    if label.isascii():
        return label
    if _JOINERS.search(label):
        raise UnicodeError("a joiner")
    if not _KEPT.search(label):
        return label.encode("idna").decode("ascii").lower()
    prepared = "".join(part if _KEPT.fullmatch(part) else nameprep(part) for part in _KEPT.split(label))
    return "xn--" + prepared.encode("punycode").decode("ascii")


def _literal(name: str) -> str | None:
    """An address literal in canonical form (RFC 5321 4.1.3), or `None`."""
    if not name.endswith("]"):
        return None
    inner = name[1:-1]
    try:
        if inner[:5].lower() == "ipv6:":
            return f"[IPv6:{ipaddress.IPv6Address(inner[5:])}]"
        return f"[{ipaddress.IPv4Address(inner)}]"
    except ValueError:
        return None


def _last_at_outside_quotes(text: str) -> int:
    """Index of the `@` before the domain, -1 when there is none; a quoted `@` does not count."""
    if text[0] != '"':
        return text.rfind("@")
    at = -1
    quoted = escaped = False
    for index, char in enumerate(text):
        if escaped:
            escaped = False
        elif char == "\\" and quoted:
            escaped = True
        elif char == '"':
            quoted = not quoted
        elif char == "@" and not quoted:
            at = index
    return at


def _unquote(local: str) -> str:
    """The local part without quotes and quoted pairs (RFC 5321 4.1.2)."""
    if len(local) < 2 or local[0] != '"' or local[-1] != '"':
        return local
    out: list[str] = []
    escaped = False
    for char in local[1:-1]:
        if char == "\\" and not escaped:
            escaped = True
            continue
        out.append(char)
        escaped = False
    return "".join(out)
