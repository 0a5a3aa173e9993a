"""Reading a document by what is allowed in it, noting every problem and going on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from postward.rules.document import Document
from postward.rules.errors import Path, Problem, did_you_mean

_KINDS = {dict: "a mapping", list: "a list", str: "text", bool: "true or false", type(None): "nothing"}


def kind(value: Any) -> str:
    """What a value is, in an admin's words."""
    return _KINDS.get(type(value), "a number")


@dataclass(frozen=True, slots=True)
class Value:
    """A value and its place: where it came from is known even after files were merged."""

    data: Any
    document: Document
    path: Path

    def at(self, step: str | int) -> "Value":
        """The value one step further in."""
        return Value(self.data[step], self.document, (*self.path, step))

    def problem(self, text: str) -> Problem:
        """A problem with this value."""
        return self.document.problem(self.path, text)

    def key_problem(self, text: str) -> Problem:
        """A problem with the key that leads to this value."""
        return Problem(self.document.key_mark(self.path), self.path, text)


class Reader:
    """Takes values apart; `problems` collects what is wrong. Each verb gives None for a wrong value."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def complain(self, value: Value, text: str) -> None:
        """Note that `value` is wrong, unless it is only not there because its YAML is."""
        if value.path not in value.document.broken:
            self.problems.append(value.problem(text))

    def mapping(self, value: Value, keys: Sequence[str] | None = None) -> dict[str, Value]:
        """The members of a mapping; keys that are not among `keys` are problems."""
        if not isinstance(value.data, dict):
            self.complain(value, f"must be a mapping such as {{key: value}}, not {kind(value.data)}")
            return {}
        members = {key: value.at(key) for key in value.data}
        if keys is not None:
            for key in [key for key in members if key not in keys]:
                self.problems.append(members.pop(key).key_problem(f"unknown key{did_you_mean(key, keys)}"))
        return members

    def items(self, value: Value) -> Iterator[Value]:
        """The items of a list."""
        if not isinstance(value.data, list):
            self.complain(value, f"must be a list such as [a, b], not {kind(value.data)}")
            return
        for index in range(len(value.data)):
            yield value.at(index)

    def text(self, value: Value) -> str | None:
        """Text that is not empty."""
        if isinstance(value.data, str) and value.data:
            return value.data
        self.complain(
            value, "must not be empty" if value.data == "" else f"must be text, not {kind(value.data)}"
        )
        return None

    def number(self, value: Value, low: float, high: float) -> float | None:
        """A number from `low` to `high`."""
        if isinstance(value.data, bool) or not isinstance(value.data, int | float):
            self.complain(value, f"must be a number, not {kind(value.data)}")
            return None
        if not low <= value.data <= high:
            self.complain(value, f"must be from {low:g} to {high:g}")
            return None
        return float(value.data)

    def whole(self, value: Value, low: int, high: int) -> int | None:
        """A whole number from `low` to `high`."""
        if not isinstance(value.data, int) or isinstance(value.data, bool):
            what = kind(value.data) if not isinstance(value.data, float) else f"{value.data:g}"
            self.complain(value, f"must be a whole number, not {what}")
            return None
        number = self.number(value, low, high)
        return int(number) if number is not None else None

    def word(self, value: Value, known: Sequence[str]) -> str | None:
        """One of the known words."""
        if isinstance(value.data, str) and value.data in known:
            return value.data
        if isinstance(value.data, str):
            self.complain(value, f"unknown word {value.data!r}{did_you_mean(value.data, known)}")
        else:
            self.complain(value, f"must be one of {', '.join(known)}, not {kind(value.data)}")
        return None

    def words(self, value: Value) -> tuple[str, ...]:
        """One text or a list of texts, not empty. An empty list would match nothing or everything."""
        if isinstance(value.data, str):
            text = self.text(value)
            return (text,) if text else ()
        if value.data == []:
            self.complain(value, "must name at least one")
        return tuple(text for item in self.items(value) if (text := self.text(item)))
