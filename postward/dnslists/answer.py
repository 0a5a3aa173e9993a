"""What an answer of a list means. Only a code that the definition names is a listing.

A list whose domain was sold, that was shut down, or that is asked too often answers in ways that
careless software takes for listings (RFC 6471 3.3, 3.4). Here each is something else.
"""

from dataclasses import dataclass

from postward.dnslists.definition import REFUSED, Definition, Pattern, number
from postward.printable import printable
from postward.tools import Answer, Listing, Records, Trouble

MAX_ANSWERS = 32
"""More addresses than any list has codes."""
_LOOPBACK = 127 << 24 | 1
_ODD = "is no answer of a list; is its domain for sale, or the DNS tampered with?"
_WHY = {
    0x7FFFFFFC: "the zone is misspelt",
    0x7FFFFFFE: "it does not answer public resolvers; run a resolver of your own and name it in dns.servers",
    0x7FFFFFFF: "too many queries; ask its keepers for a key or a feed",
}


@dataclass(frozen=True, slots=True)
class Clean:
    """The list does not have it."""


@dataclass(frozen=True, slots=True)
class Listed:
    """The list has it; one listing for each code."""

    listings: tuple[Listing, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """The list does not answer us (127.255.255.x)."""

    why: str


@dataclass(frozen=True, slots=True)
class Nonsense:
    """No list in order answers that."""

    why: str


@dataclass(frozen=True, slots=True)
class Silent:
    """There was no answer to trust."""

    why: str


Said = Clean | Listed | Refused | Nonsense | Silent
CLEAN = Clean()


def read(definition: Definition, answer: Answer[str]) -> Said:
    """What the list said with `answer`. No key stands in it."""
    if isinstance(answer, Trouble):
        return Silent(definition.hide(printable(answer.why, 200)))
    return meaning(definition, answer.values) if isinstance(answer, Records) else CLEAN


def meaning(definition: Definition, values: tuple[str, ...]) -> Said:
    """What the addresses `values` say; one that is nonsense makes all of them worthless."""
    if len(values) > MAX_ANSWERS:
        return Nonsense(f"{len(values)} addresses in one answer")
    numbers: dict[str, int] = {}
    for value in values:
        answer = number(value)
        if answer is not None and _refuses(definition, answer):
            return Refused(f"{value}: {_WHY.get(answer, 'it refuses the query')}")
        if answer is None or answer >> 24 != _LOOPBACK >> 24 or answer == _LOOPBACK:
            return Nonsense(f"{definition.hide(printable(value, 60))} {_ODD}")
        numbers[value] = answer
    return _listed(definition, numbers)


def _refuses(definition: Definition, answer: int) -> bool:
    return REFUSED.fits(answer) or any(each.fits(answer) for each in definition.refusals)


def _listed(definition: Definition, numbers: dict[str, int]) -> Said:
    found: dict[Pattern, Listing] = {}
    for value, answer in numbers.items():
        for code in definition.codes:
            if code.score and code.pattern not in found and code.pattern.fits(answer):
                found[code.pattern] = Listing(definition.name, value, code.means, code.score)
    return Listed(tuple(found.values())) if found else CLEAN
