"""Who wrote the message: the addresses of its From field (RFC 5322 3.6.2).

A mail reader and a verifier that read different authors out of one header are what forgers live on
(THREATS A6-A8). So this parser takes what RFC 5322 writes, with the liberties that honest mail
takes, and calls everything in which two readers could see two authors unparsable. Its time is linear
in the length of the field.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from postward.address import Address, normal_domain
from postward.mail import Mail
from postward.tools import Tools

MAX_FIELD = 65_536  # octets
MAX_AUTHORS = 100
MAX_FIELDS = 10  # From fields that are read: more than one is wrong already
_MAX_COMMENT_DEPTH = 20
_MAX_TOKENS = 10_000


@dataclass(frozen=True, slots=True)
class Authors:
    """`fields`: how many From fields there are; `addresses`: those of the first MAX_FIELDS, in order.

    `problem` says why a field could not be read; the addresses are then not to be trusted.
    """

    fields: int
    addresses: tuple[Address, ...] = ()
    problem: str = ""

    @property
    def domains(self) -> tuple[str, ...]:
        """The different domains, in order."""
        return tuple(dict.fromkeys(each.domain for each in self.addresses if each.domain is not None))


async def authors(mail: Mail, tools: Tools) -> Authors:
    """The authors of this mail, read once. Reads headers."""
    return await tools.once("authors", lambda: _authors(mail))


async def _authors(mail: Mail) -> Authors:
    # `From :` is obsolete, and still a From field for many readers (RFC 5322 4.5; THREATS A6).
    values = [each.value for each in mail.headers if each.name.strip().lower() == b"from"]
    found: list[Address] = []
    for value in values[:MAX_FIELDS]:
        try:
            found += parse_from(value)
        except Unparsable as error:
            return Authors(len(values), tuple(found[:MAX_AUTHORS]), str(error))
        if len(found) > MAX_AUTHORS:
            return Authors(len(values), tuple(found[:MAX_AUTHORS]), f"more than {MAX_AUTHORS} authors")
    problem = f"more than {MAX_FIELDS} From fields" if len(values) > MAX_FIELDS else ""
    return Authors(len(values), tuple(found), problem)


class Unparsable(ValueError):
    """Not an address list that everybody reads the same way; the text says where it goes wrong."""


def parse_from(value: bytes) -> list[Address]:
    """The addresses of a From field's raw value, none for an empty list. Raises `Unparsable`."""
    if len(value) > MAX_FIELD:
        raise Unparsable(f"longer than {MAX_FIELD} octets")
    try:
        text = value.decode("utf-8")  # RFC 6532
    except UnicodeDecodeError:
        # Display names in some 8-bit charset are common; an address in one has no domain.
        text = value.decode("utf-8", "surrogateescape")
    return _List().read(text)


# --- Tokens --------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Token:
    """`kind`: atom, quoted, encoded, literal, or one of the specials, which then is `text` too."""

    kind: str
    text: str
    escaped: bool = False
    """A quoted string with a quoted pair in it."""


_END = _Token("end", "")
_SPACE = re.compile(r"[ \t\r\n]+")
_ATOM = re.compile(r'[^\x00-\x20\x7f()<>@,;:\\".\[\]]+')
_QUOTED = re.compile(r'[^"\\\x00]*')
_COMMENT = re.compile(r"[^()\\\x00]+")
_LITERAL = re.compile(r"\[[^\[\]\\\x00-\x20]{0,255}\]")
# RFC 2047 2, with the special characters in its text that careless senders leave there.
_ENCODED = re.compile(r"=\?[A-Za-z0-9_*.:+-]{1,60}\?[BQbq]\?[^?\s<>]{0,1000}\?=")


def _tokens(text: str) -> Iterator[_Token]:
    """The lexical tokens of RFC 5322 3.2, without comments and white space."""
    place, end = 0, len(text)
    while place < end:
        char = text[place]
        if char in " \t\r\n":
            place = _end(_SPACE, text, place)
        elif char == "(":
            place = _after_comment(text, place)
        elif char == '"':
            token, place = _quoted(text, place)
            yield token
        elif char in "<>@,;:.":
            yield _Token(char, char)
            place += 1
        elif char == "=" and (word := _ENCODED.match(text, place)):
            yield _Token("encoded", word[0])
            place = word.end()
        elif literal := _LITERAL.match(text, place):
            yield _Token("literal", literal[0])
            place = literal.end()
        elif atom := _ATOM.match(text, place):
            yield _Token("atom", atom[0])
            place = atom.end()
        else:
            raise Unparsable(f"a stray {char!r}")


def _end(pattern: re.Pattern[str], text: str, place: int) -> int:
    match = pattern.match(text, place)
    return match.end() if match else place


def _after_comment(text: str, place: int) -> int:
    """The place after the comment that begins here; comments nest (RFC 5322 3.2.2)."""
    depth = 0
    while place < len(text):
        char = text[place]
        if char == "(":
            depth += 1
            if depth > _MAX_COMMENT_DEPTH:
                raise Unparsable("comments nested too deep")
        elif char == ")":
            depth -= 1
            if depth == 0:
                return place + 1
        elif char == "\\":
            place += 1
        elif char == "\0":
            raise Unparsable("a NUL")
        else:
            place = _end(_COMMENT, text, place) - 1
        place += 1
    raise Unparsable("a comment without end")


def _quoted(text: str, place: int) -> tuple[_Token, int]:
    """The quoted string that begins here and the place after it (RFC 5322 3.2.4)."""
    parts: list[str] = []
    escaped = False
    place += 1
    while place < len(text):
        upto = _end(_QUOTED, text, place)
        parts.append(text[place:upto])
        char, place = text[upto : upto + 1], upto + 1
        if char == '"':
            return _Token("quoted", "".join(parts), escaped), place
        if char != "\\" or place >= len(text) or text[place] == "\0":
            break
        parts.append(text[place])
        place += 1
        escaped = True
    raise Unparsable("a quoted string without end" if place >= len(text) else "a NUL")


# --- Grammar -------------------------------------------------------------------------------------
@dataclass(slots=True)
class _List:
    """An address list while it is read (RFC 5322 3.4)."""

    found: list[Address] = field(default_factory=list)
    before: list[_Token] = field(default_factory=list)
    """Tokens of the mailbox that is being read, outside of angle brackets."""
    inside: list[_Token] | None = None
    """Tokens after its `<`; `None` before that."""
    closed: bool = False
    """Its `>` has come: nothing may follow (THREATS A8)."""
    in_group: bool = False
    loose: bool = False
    """Words without address have been seen, such as `Smith, John <j@example.org>` without quotes."""

    def read(self, text: str) -> list[Address]:
        for count, token in enumerate(_tokens(text)):
            if count >= _MAX_TOKENS:
                raise Unparsable(f"more than {_MAX_TOKENS} words")
            self._take(token)
        if self.in_group:
            raise Unparsable("a group without end")
        self._finish()
        if self.loose and not self.found:
            raise Unparsable("no address")
        return self.found

    def _take(self, token: _Token) -> None:
        if self.inside is not None and not self.closed:
            self._take_inside(token)
        elif token.kind in (",", ";"):
            self._separate(token.kind)
        elif self.closed:
            raise Unparsable("something after an address in angle brackets")
        elif token.kind == "<":
            self.inside = []
        elif token.kind == ">":
            raise Unparsable("a stray '>'")
        elif token.kind == ":":
            self._open_group()
        else:
            self.before.append(token)

    def _take_inside(self, token: _Token) -> None:
        assert self.inside is not None
        if token.kind == ">":
            self.closed = True
        elif token.kind in ("<", ",", ";", ":"):
            # A `:` or `,` here is a source route: obsolete, and a way to hide a domain.
            raise Unparsable(f"a {token.kind!r} in angle brackets")
        else:
            self.inside.append(token)

    def _separate(self, kind: str) -> None:
        self._finish()
        if kind == ";":
            if not self.in_group:
                raise Unparsable("a stray ';'")
            self.in_group = False

    def _open_group(self) -> None:
        """What came before the `:` was the group's name (RFC 6854 allows groups in From)."""
        if self.in_group or not self.before or any(token.kind in ("@", "literal") for token in self.before):
            raise Unparsable("a stray ':'")
        self.before.clear()
        self.in_group = True

    def _finish(self) -> None:
        """End the mailbox that was being read; empty ones are obsolete syntax and harmless."""
        if self.inside is not None:
            if not self.closed:
                raise Unparsable("a '<' without '>'")
            address = _address(self.inside)
            _check_display_name(self.before, address)
            self.found.append(address)
        elif self.before and all(_is_plain(token) for token in self.before):
            self.loose = True
        elif self.before:
            self.found.append(_address(self.before))
        if len(self.found) > MAX_AUTHORS:
            raise Unparsable(f"more than {MAX_AUTHORS} authors")
        self.before, self.inside, self.closed = [], None, False


def _is_plain(token: _Token) -> bool:
    """A word in which nobody reads an address."""
    return token.kind == "." or (token.kind == "atom" and "=?" not in token.text and "?=" not in token.text)


def _address(tokens: list[_Token]) -> Address:
    """One addr-spec (RFC 5322 3.4.1)."""
    at = [place for place, token in enumerate(tokens) if token.kind == "@"]
    if len(at) != 1:
        raise Unparsable("no address" if not at else "more than one '@' in an address")
    local, domain = _local(tokens[: at[0]]), _domain(tokens[at[0] + 1 :])
    normal = normal_domain(domain)
    if normal is None:
        raise Unparsable("a domain that cannot be one")
    return Address(f"{local}@{normal}", local, normal)


def _local(tokens: list[_Token]) -> str:
    if any(token.kind == "encoded" or token.escaped for token in tokens):
        raise Unparsable("an encoded word or quoted pair in an address")
    return _dotted(tokens, ("atom", "quoted"), lenient=True)


def _domain(tokens: list[_Token]) -> str:
    if len(tokens) == 1 and tokens[0].kind == "literal":
        return tokens[0].text
    return _dotted(tokens, ("atom",), lenient=False)


def _dotted(tokens: list[_Token], kinds: tuple[str, ...], *, lenient: bool) -> str:
    """Words with dots between them; with `lenient` dots may stand anywhere, as in some real mailboxes."""
    wanted = True
    for token in tokens:
        is_dot = token.kind == "."
        if not is_dot and (token.kind not in kinds or not wanted):
            raise Unparsable("an address with something else in it")
        if is_dot and wanted and not lenient:
            raise Unparsable("an empty label in a domain")
        wanted = is_dot
    text = "".join(token.text for token in tokens)
    if not text:
        raise Unparsable("half an address")
    return text


def _check_display_name(tokens: list[_Token], address: Address) -> None:
    """A bare address as display name is common, and harmless where it names the same domain."""
    named: list[str] | None = None
    for token in (*tokens, _END):  # each is looked at once: a header may hold thousands of `@`
        if named is not None and token.kind in ("atom", ".", "literal"):
            named.append(token.text)
            continue
        if named is not None:
            name = "".join(named)
            if ("." in name or name.startswith("[")) and normal_domain(name) != address.domain:
                raise Unparsable("another address before the one in angle brackets")
        named = [] if token.kind == "@" else None
