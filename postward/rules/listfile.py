"""A file of lists/: a small one as any other document, a large one in a leaner way.

Above 1 MB only the places of whole entries are kept, and only what lists need is understood: no
aliases, tags, or values that hold others. 100,000 entries with a note take two seconds to load; as
nodes with all their places they took eleven.
"""

from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any, NoReturn

import yaml

from postward.list_value import BadEntry, is_wide, meaning
from postward.lists import CompiledList
from postward.rules import grammar
from postward.rules.document import LOADER, MAX_OCTETS, Document, build, read, scalar
from postward.rules.errors import ConfigErrors, Mark, Problem
from postward.rules.reader import Reader, Value, kind
from postward.tools import Entry

TOP = ("description", "entries")
ENTRY = ("value", "note", "added", "expires", "score", "whole")
MAX_LIST = 16_000_000  # octets; 600,000 domains
_SIMPLE = f"a list of more than {MAX_OCTETS} octets holds texts and simple mappings only"


def read_list(path: FilePath) -> Document:
    """The document in the list file at `path`. Raises ConfigErrors: nothing could be read."""
    return read(path, MAX_LIST, _build)


def fill(reader: Reader, into: CompiledList, document: Document) -> list[Value]:
    """Take the entries of `document` in; gives those that mean a whole provider and do not say so."""
    if document.data is None:
        return []
    wide = []
    top = reader.mapping(Value(document.data, document, ()), TOP)
    for value in reader.items(top["entries"]) if "entries" in top else ():
        entry = _entry(reader, value)
        if entry is None:
            continue
        try:
            into.add(entry)
        except BadEntry as error:
            place = value.at("value") if isinstance(value.data, dict) else value
            reader.complain(place, str(error))
            continue
        if not entry.whole and _may_be_wide(entry.value) and is_wide(meaning(entry.value)):
            wide.append(value)
    return wide


def _may_be_wide(value: str) -> bool:
    """Cheap to ask of 100,000 names: an AS number, or a prefix length of at most two digits."""
    return value[:2].upper() == "AS" or value[-3:-2] == "/" or value[-2:-1] == "/"


def _entry(reader: Reader, value: Value) -> Entry | None:
    if isinstance(value.data, str):
        return Entry(value.data)
    if not isinstance(value.data, dict):
        meant = f"; write AS{value.data}" if type(value.data) is int and value.data > 999 else ""
        reader.complain(value, f"must be text or {{value: ..., note: ...}}, not {kind(value.data)}{meant}")
        return None
    members = reader.mapping(value, ENTRY)
    if "value" not in members:
        reader.complain(value, "needs value:")
        return None
    text = reader.text(members["value"])
    note = reader.text(members["note"]) if "note" in members else ""
    if "added" in members and grammar.last_day(reader, members["added"]) is None:
        return None
    expires = grammar.last_day(reader, members["expires"]) if "expires" in members else None
    score = None
    if "score" in members:
        score = reader.number(members["score"], -grammar.MAX_SCORE, grammar.MAX_SCORE)
    if "whole" in members and not isinstance(members["whole"].data, bool):
        reader.complain(members["whole"], "must be true or false")
    if text is None or note is None:
        return None
    added = str(members["added"].data) if "added" in members else ""
    return Entry(text, note, added, expires, score, "whole" in members and members["whole"].data is True)


def _build(document: Document, text: str) -> None:
    if len(text) <= MAX_OCTETS:
        build(document, text)
    else:
        _Lean(document, text).document()


class _Lean:
    """Takes the events of a list as they come; nothing recurses, nothing but the values is kept."""

    def __init__(self, into: Document, text: str) -> None:
        self.into = into
        self.events: Iterator[yaml.Event] = yaml.parse(text, Loader=LOADER)

    def document(self) -> None:
        """All of the text: one document, a mapping of scalars and of lists of entries."""
        for event in self.events:
            if isinstance(event, yaml.MappingStartEvent) and self.into.data is None and event.tag is None:
                self.into.data = self._top()
            elif isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent):
                self._refuse(event)

    def _top(self) -> dict[str, Any]:
        top: dict[str, Any] = {}
        for event in self.events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._key(event, top)
            value = next(self.events)
            if isinstance(value, yaml.SequenceStartEvent) and value.tag is None:
                top[key] = self._entries(key)
            else:
                top[key] = self._scalar(value)
            self.into.note((key,), self._mark(value))
        return top

    def _entries(self, key: str) -> list[Any]:
        entries: list[Any] = []
        for event in self.events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            self.into.note((key, len(entries)), self._mark(event))
            if isinstance(event, yaml.MappingStartEvent) and event.tag is None:
                entries.append(self._mapping())
            else:
                entries.append(self._scalar(event))
        return entries

    def _mapping(self) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for event in self.events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            members[self._key(event, members)] = self._scalar(next(self.events))
        return members

    def _key(self, event: yaml.Event, members: dict[str, Any]) -> str:
        if not isinstance(event, yaml.ScalarEvent) or event.tag is not None:
            self._refuse(event)
        if event.value in members:
            self._refuse(event, f"{event.value}: stands twice; keep one")
        return str(event.value)

    def _scalar(self, event: yaml.Event) -> Any:
        if not isinstance(event, yaml.ScalarEvent) or event.tag is not None:
            self._refuse(event)
        try:
            return scalar(event.value, bool(event.style))
        except ValueError as error:
            self._refuse(event, str(error))

    def _refuse(self, event: yaml.Event, why: str = _SIMPLE) -> NoReturn:
        raise ConfigErrors([Problem(self._mark(event), (), why)])

    def _mark(self, event: yaml.Event) -> Mark:
        start = event.start_mark
        assert start is not None  # said for every event but the stream's
        return Mark(self.into.file, start.line + 1, start.column + 1)
