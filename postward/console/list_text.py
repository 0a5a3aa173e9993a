"""Entries put into the text of a list and taken out of it; every other character stays as it is.

The places are those that the YAML parser tells. A round trip through a YAML library would write the whole
file anew: quotes, indentation, long lines and CRLF by its own taste, and 100,000 entries in minutes.
After each edit the text is read again: what came out is what was meant, or the edit is refused.
"""

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from postward.rules.document import LOADER, scalar

_PLAIN = re.compile(r"[A-Za-z0-9.][A-Za-z0-9._/@-]*\Z", re.ASCII)
_BLANKS = " \t"
Content = tuple[str, ...]


class CannotEdit(ValueError):
    """The text is written in a way that only a person should edit; it says why."""


@dataclass(frozen=True, slots=True)
class Spot:
    """An entry: its characters `start` to `end`, its scalars in order, and its value."""

    start: int
    end: int
    content: Content
    value: str


@dataclass(slots=True)
class Layout:
    """Where the parts of a list stand; `is_flow`, `begin`, `end`, `column`: of the sequence of entries."""

    entries: list[Spot] = field(default_factory=list)
    root_is_flow: bool = False
    key_end: int = -1
    """Behind the key `entries`; -1 when there is none."""
    is_flow: bool = False
    begin: int = 0
    end: int = 0
    column: int = 0


def layout(text: str) -> Layout:
    """The places in `text`. Raises CannotEdit, and yaml.YAMLError where it is not YAML."""
    found = Layout()
    events = yaml.parse(text, Loader=LOADER)
    for event in events:
        if isinstance(event, yaml.MappingStartEvent):
            found.root_is_flow = bool(event.flow_style)
            _read_root(found, events)
        elif isinstance(event, yaml.NodeEvent) and not (
            isinstance(event, yaml.ScalarEvent) and not event.value
        ):
            raise CannotEdit("it holds no mapping")
    return found


def _start(event: yaml.Event) -> Any:
    """Its first character; libyaml counts characters, also where it was given octets."""
    return event.start_mark


def _end(event: yaml.Event) -> Any:
    return event.end_mark


def _read_root(found: Layout, events: Iterator[yaml.Event]) -> None:
    for key in events:
        if isinstance(key, yaml.MappingEndEvent):
            return
        value = next(events)
        if not isinstance(key, yaml.ScalarEvent) or isinstance(value, yaml.MappingStartEvent):
            raise CannotEdit("it is no mapping of description and entries")
        if isinstance(value, yaml.SequenceStartEvent):
            found.key_end = _end(key).index
            found.is_flow = bool(value.flow_style)
            found.begin, found.column = _start(value).index, _start(value).column
            _read_entries(found, events)


def _read_entries(found: Layout, events: Iterator[yaml.Event]) -> None:
    for event in events:
        if isinstance(event, yaml.SequenceEndEvent):
            found.end = _end(event).index
            return
        found.entries.append(_entry(event, events))


def _entry(event: yaml.Event, events: Iterator[yaml.Event]) -> Spot:
    start, end = _start(event).index, _end(event).index
    if isinstance(event, yaml.ScalarEvent):
        return Spot(start, end, (event.value,), event.value)
    if not isinstance(event, yaml.MappingStartEvent):
        raise CannotEdit(f"an entry in line {_start(event).line + 1} is neither text nor a mapping")
    words: list[str] = []
    for each in events:
        if isinstance(each, yaml.MappingEndEvent):
            if event.flow_style:  # else the end of a block is where the next thing begins
                end = _end(each).index
            break
        if not isinstance(each, yaml.ScalarEvent):
            raise CannotEdit(f"an entry in line {_start(each).line + 1} holds more than plain values")
        words.append(each.value)
        end = _end(each).index
    members = dict(zip(words[::2], words[1::2], strict=False))
    return Spot(start, end, tuple(words), members.get("value", ""))


def entry_text(members: dict[str, str | float | bool]) -> str:
    """`{value: AS64500, note: "reports bounce", added: 2026-11-22, score: 3}`."""
    return "{" + ", ".join(f"{key}: {_spelt(value)}" for key, value in members.items()) + "}"


def _spelt(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float | int):
        return f"{value:g}"
    try:
        plain = _PLAIN.match(value) is not None and isinstance(scalar(value, False), str)
    except ValueError:
        plain = False
    return value if plain else json.dumps(value, ensure_ascii=False)


def with_entry(text: str, entry: str) -> str:
    """`text` with one more entry at its end. Raises CannotEdit and yaml.YAMLError."""
    before = layout(text)
    made = _insert(text, before, entry)
    if _contents(made)[:-1] != [each.content for each in before.entries]:
        raise CannotEdit("the entry would end up in another place")
    return made


def _insert(text: str, found: Layout, entry: str) -> str:
    eol = "\r\n" if "\r\n" in text else "\n"
    if found.key_end < 0:
        if found.root_is_flow:
            raise CannotEdit("it is one mapping in braces without entries")
        between = "" if not text or text.endswith("\n") else eol
        return f"{text}{between}entries:{eol}  - {entry}{eol}"
    if not found.is_flow:
        at, indent = _line_end(text, _content_end(text, found.entries[-1])), " " * found.column
        return f"{text[:at]}{eol}{indent}- {entry}{text[at:]}"
    if found.entries:
        return _insert_into_flow(text, found, entry, eol)
    inside = text[found.begin + 1 : found.end - 1]
    if found.root_is_flow or inside.strip():
        return f"{text[: found.begin + 1]}{entry}{text[found.begin + 1 :]}"
    head, tail = text[: found.begin].rstrip(_BLANKS), text[found.end :]
    at = _line_end(tail, 0)
    return f"{head}{tail[:at]}{eol}  - {entry}{tail[at:]}"


def _insert_into_flow(text: str, found: Layout, entry: str, eol: str) -> str:
    last = found.entries[-1]
    comma = _comma(text, last.end, found.end - 1)
    end_of_line = _line_end(text, last.end if comma is None else comma)
    if end_of_line >= found.end - 1:  # the bracket closes in this line
        at = last.end if comma is None else comma + 1
        return f"{text[:at]}{', ' if comma is None else ' '}{entry}{text[at:]}"
    indent = " " * (last.start - _line_start(text, last.start))
    rest = text[last.end : end_of_line]
    return f"{text[: last.end]}{',' if comma is None else ''}{rest}{eol}{indent}{entry}{text[end_of_line:]}"


def without(text: str, gone: Collection[int]) -> str:
    """`text` without the entries of these numbers. Raises CannotEdit and yaml.YAMLError."""
    found = layout(text)
    cuts = _flow_cuts(text, found, gone) if found.is_flow else _block_cuts(text, found, gone)
    kept = [spot for number, spot in enumerate(found.entries) if number not in gone]
    if not kept and not found.is_flow:  # `entries:` alone is no list
        cuts = [(found.key_end, _colon(text, found.key_end), ": []"), *cuts]
    pieces, at = [], 0
    for start, end, instead in cuts:
        pieces += [text[at:start], instead]
        at = max(at, end)
    made = "".join([*pieces, text[at:]])
    if _contents(made) != [each.content for each in kept]:
        raise CannotEdit("other entries would be changed too")
    return made


def _block_cuts(text: str, found: Layout, gone: Collection[int]) -> list[tuple[int, int, str]]:
    """The lines of each entry, from its dash to the end of the line where it ends."""
    cuts = []
    for number in sorted(gone):
        spot = found.entries[number]
        start = _line_start(text, spot.start)
        while text[start + found.column : start + found.column + 1] != "-" and start > found.begin:
            start = _line_start(text, start - 1)  # the dash stands above its entry
        end = _line_end(text, _content_end(text, spot))
        cuts.append((start, _behind_break(text, end), ""))
    return cuts


def _flow_cuts(text: str, found: Layout, gone: Collection[int]) -> list[tuple[int, int, str]]:
    """Each entry with its comma; the line too, when nothing else stands in it."""
    cuts = []
    ends = [spot.start for spot in found.entries[1:]] + [found.end - 1]
    bare = _comma(text, found.entries[-1].end, found.end - 1) is None  # no comma behind the last one
    last_kept = max((number for number in range(len(ends)) if number not in gone), default=-1)
    for number, limit in enumerate(ends):
        spot = found.entries[number]
        comma = _comma(text, spot.end, limit)
        if number in gone:
            cuts.append((*_with_line(text, spot.start, spot.end if comma is None else comma + 1), ""))
        elif number == last_kept and comma is not None and bare and number < len(ends) - 1:
            end = _behind_blanks(text, comma + 1)
            cuts.append((comma, comma + 1 if text[end] == "#" else end, ""))
    return cuts


def _with_line(text: str, start: int, end: int) -> tuple[int, int]:
    end = _behind_blanks(text, end)
    line, line_end = _line_start(text, start), _line_end(text, end)
    if not text[line:start].strip() and end == line_end:
        return line, _behind_break(text, line_end)
    return start, end


def _behind_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANKS:
        at += 1
    return at


def _comma(text: str, start: int, end: int) -> int | None:
    """The first comma from `start` to `end` that is in no comment."""
    while start < end:
        if text[start] == ",":
            return start
        start = _line_end(text, start) if text[start] == "#" else start + 1
    return None


def _colon(text: str, at: int) -> int:
    return text.index(":", at) + 1


def _content_end(text: str, spot: Spot) -> int:
    """The end without line breaks, which belong to a block scalar."""
    end = spot.end
    while end > spot.start and text[end - 1] in " \t\r\n":
        end -= 1
    return end


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _line_end(text: str, at: int) -> int:
    """The end of the line, before its break."""
    end = text.find("\n", at)
    if end < 0:
        return len(text)
    return end - 1 if end > at and text[end - 1] == "\r" else end


def _behind_break(text: str, at: int) -> int:
    return at + 2 if text.startswith("\r\n", at) else min(at + 1, len(text))


def _contents(text: str) -> list[Content]:
    """What the entries of an edited text hold. Raises CannotEdit."""
    try:
        return [each.content for each in layout(text).entries]
    except yaml.YAMLError as error:
        raise CannotEdit(f"the edit would break it ({str(error).splitlines()[0]})") from None
