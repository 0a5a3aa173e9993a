"""Lists of main.cf that are there already, and where ours goes in them.

Items are split as Postfix does it (commas and white space; `{ ... }` is one item). A restriction list
ends at the first `permit`, `reject` or `defer`: what stands behind is never asked (postconf(5),
smtpd_recipient_restrictions), so ours stands before it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

_FINAL = frozenset({"permit", "reject", "defer"})
_NOT_ALONE = "warn_if_reject"  # what follows it refuses nothing
_SEPARATORS = ", \t\r\n"


@dataclass(frozen=True, slots=True)
class Joined:
    """`value`: the new list. `before`: the final item of the old one, before which ours now stands."""

    value: str
    before: str = ""


def join(present: str, ours: str) -> Joined:
    """`ours` put into the list `present`; what that holds already is not said again."""
    asks = [item for item in split(ours) if item.startswith(("$", "{"))]
    old = [item for item in _phrases(present) if item not in asks]
    end = next((number for number, item in enumerate(old) if item.lower() in _FINAL), len(old))
    new = [item for item in _phrases(ours) if item not in old[:end]]
    value = ", ".join([*old[:end], *new, *old[end:]])
    return Joined(value, old[end] if end < len(old) else "")


def final_in(value: str) -> str:
    """The item that ends a restriction list unconditionally; "" when there is none."""
    return next((item for item in _phrases(value) if item.lower() in _FINAL), "")


def split(value: str) -> list[str]:
    """The items of a list."""
    items, depth, item = [], 0, ""
    for char in value:
        if char in _SEPARATORS and depth == 0:
            items.append(item)
            item = ""
            continue
        depth += (char == "{") - (char == "}" and depth > 0)
        item += char
    return [item for item in (*items, item) if item]


def _phrases(value: str) -> Iterator[str]:
    """Items as they belong together: a restriction with what it is given, such as `check_x_access map`."""
    phrase: list[str] = []
    for item in split(value):
        if phrase and not _goes_on(phrase[-1], item):
            yield " ".join(phrase)
            phrase = []
        phrase.append(item)
    if phrase:
        yield " ".join(phrase)


def _goes_on(last: str, item: str) -> bool:
    if last.lower() == _NOT_ALONE:
        return True
    takes_one = last.startswith(
        ("check_", "reject_rbl", "reject_rhsbl", "permit_dnswl", "permit_rhswl", "sleep")
    )
    return takes_one and item.lower() not in _FINAL
