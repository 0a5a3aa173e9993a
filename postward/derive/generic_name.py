"""How much a host name looks like one that a provider made up for each of its addresses.

A mail server has a name that somebody chose; a customer's line or a rented machine has its address or
a number in it. Names of outbound pools of the large senders have their address in them too, and say
`mail` or `out` beside it. Every form is compared with the client's own address, so that a number that
only looks like an address is no sign.
"""

import re
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from postward.derive.address_in_name import HALF, WHOLE, address_in, owner_shows
from postward.derive.name_words import (
    HOST_WORDS,
    LINE_WORDS,
    MADE_UP_WORDS,
    PLACEHOLDERS,
    STATIC_WORDS,
    has_mail_word,
    line_words,
    words_of,
)
from postward.mail import IPAddress

_MAX_NAME = 255
_SECOND_LEVEL = frozenset(
    ["ac", "co", "com", "edu", "gob", "gov", "gv", "mil", "ne", "net", "nom", "or", "org"]
)
_NUMBERED = re.compile(r"([a-z]{0,9})[-_]?([0-9]{5,})\Z")
_HEXED = re.compile(r"([a-z]{2,9})[-_]([0-9a-f]{6,}|[0-9a-f]{4,}(?:-[0-9a-f]{2,}){1,4})\Z")
_LINODE = re.compile(r"li[0-9]{1,4}-[0-9]{1,3}\Z")


class Grade(IntEnum):
    """How generic a name is."""

    NONE = 0
    WEAK = 1
    LIKELY = 2
    SURE = 3


@dataclass(frozen=True, slots=True)
class Generic:
    """A grade, what in the name it rests on, and what it weighs by itself (0 to 3).

    `static`: a word says that the address stays with one customer, as servers' addresses do.
    """

    grade: Grade
    why: str = ""
    score: float = 0.0
    static: bool = False


_NOT = Generic(Grade.NONE)


@lru_cache(maxsize=8192)
def how_generic(name: str, client: IPAddress) -> Generic:
    """Grade the host name of `client`.

    SURE: its address and a word for a customer's line. LIKELY: its address, part of it with a word for
    a line or a rented machine, or the number that a hosting provider gave it. WEAK: half of the
    address, or a word for a line alone. A word for mail beside any of them leaves WEAK at most.
    """
    name = name[:_MAX_NAME].lower().rstrip(".")
    host, owner = _split(name)
    words = words_of(host)
    shows = address_in(host, client) or owner_shows(name, client)
    line = line_words(words)
    if has_mail_word(words, owner):
        if shows and line:
            return Generic(Grade.WEAK, f"{shows}, {line[0]}, but a word for mail", 0.5)
        return _NOT
    if shows:
        return _of_address(shows, line, words)
    made_up = _made_up(host)
    if made_up:
        return Generic(Grade.LIKELY, made_up, 1.0)
    if line:
        return Generic(Grade.WEAK, line[0], 1.0)
    return Generic(Grade.WEAK, "static", 0.5) if "static" in words else _NOT


def _of_address(shows: str, line: list[str], words: set[str]) -> Generic:
    is_static = not words.isdisjoint(STATIC_WORDS)
    others = sorted(words & (STATIC_WORDS | HOST_WORDS))
    why = ", ".join([shows, *line[:1], *others[:1]])
    if line and shows == WHOLE and not is_static:
        return Generic(Grade.SURE, why, 3.0)
    if shows == HALF and not line and not others:
        return Generic(Grade.WEAK, why, 0.5)
    return Generic(Grade.LIKELY, why, 2.0, is_static)


def _split(name: str) -> tuple[str, str]:
    """The host part, and the last two labels (three below such as `co.jp`): the owner's own name."""
    labels = name.split(".")
    own = 3 if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL else 2
    return (".".join(labels[:-own]), ".".join(labels[-own:])) if len(labels) > own else ("", name)


def _made_up(host: str) -> str:
    """What says that a hosting provider numbered its machines, or left the name as it was; or nothing."""
    for label in host.split("."):
        if label in PLACEHOLDERS:
            return label
        if _LINODE.match(label):
            return label
        match = _NUMBERED.match(label) or _HEXED.match(label)
        if match is not None and _is_number_of_machine(match[1], match[2]):
            return label
    return ""


def _is_number_of_machine(word: str, number: str) -> bool:
    if len(word) <= 1:
        return len(number) >= 6
    if not any(char.isdigit() for char in number):
        return False
    return any(word in table for table in (MADE_UP_WORDS, LINE_WORDS, STATIC_WORDS, HOST_WORDS))
