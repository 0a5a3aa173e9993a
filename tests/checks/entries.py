"""Lists for tests of checks."""

from postward.lists import CompiledList
from postward.tools import Entry


def list_of(*values: str, expires: float | None = None) -> CompiledList:
    """A list with these values, each with the note `why`."""
    made = CompiledList("x")
    for value in values:
        made.add(Entry(value, "why", "2026-11-22", expires))
    return made
