"""A YAML file as plain values, each of which knows its line and column.

PyYAML composes the nodes; values are made here after the YAML 1.2 core schema, so that `off` and
`no` are words, not False, and dates stay text. Refused: duplicate keys, tags, more than 1 MB,
deep nesting, aliases that expand to very much (THREATS E9). The events are surveyed before anything
is composed, because libyaml's composer recurses on the C stack: 900 kB of `[` would end the process.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml

from postward.rules.errors import ConfigErrors, Mark, Path, Problem

MAX_OCTETS = 1_000_000
MAX_DEPTH = 20
MAX_NODES = 200_000
_TOO_DEEP = f"nested more than {MAX_DEPTH} deep"
_NO_TAGS = "tags (!...) are not used here; take it out"
_TOO_MANY = f"more than {MAX_NODES} values (aliases count again each time); split the file"

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})\Z")
_FLOAT = re.compile(r"[-+]?([0-9]{1,17}\.[0-9]{0,17}|\.[0-9]{1,17})([eE][-+]?[0-9]{1,3})?\Z")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+\Z")
_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "true": True, "false": False}
_NO_TOKEN = "found character that cannot start any token"  # noqa: S105  # libyaml's words
_HINTS = {
    "found a tab character that violates indentation": "indent with blanks",
    _NO_TOKEN: "put the value in quotes",
    "mapping values are not allowed in this context": "put a value that has a colon in quotes",
    "found undefined alias": "put a value that begins with * in quotes",
    "but found another document": "take out the line ---",
}


@dataclass(slots=True)
class Document:
    """The values of one file and where they stand."""

    file: str
    data: Any = None
    problems: list[Problem] = field(default_factory=list)
    """What is wrong with the YAML itself, where the rest could still be read."""
    broken: set[Path] = field(default_factory=set)
    """Where a value was left out because of a problem: nothing follows from its absence."""
    _values: dict[Path, Mark] = field(default_factory=dict)
    _keys: dict[Path, Mark] = field(default_factory=dict)

    def note(self, path: Path, mark: Mark) -> None:
        """Keep where the value at `path` stands."""
        self._values[path] = mark

    def mark(self, path: Path) -> Mark:
        """Where the value at `path` stands, or the nearest thing around it."""
        while path and path not in self._values:
            path = path[:-1]
        return self._values.get(path, Mark(self.file, 1, 1))

    def key_mark(self, path: Path) -> Mark:
        """Where the key that leads to `path` stands."""
        return self._keys.get(path) or self.mark(path)

    def problem(self, path: Path, text: str) -> Problem:
        """A problem with the value at `path`."""
        return Problem(self.mark(path), path, text)


def build(document: Document, text: str) -> None:
    """Read all of `text` into `document`, with the place of each value."""
    builder = _Builder(document, _survey(text, document.file))
    node = yaml.compose(text, Loader=LOADER)
    if node is not None:
        document.data = builder.value(node, (), 0)


def read(path: FilePath, most: int = MAX_OCTETS, build: Callable[[Document, str], None] = build) -> Document:
    """The document in the file at `path`, with its problems. Raises ConfigErrors: nothing could be read."""
    file = str(path)
    try:
        with path.open("rb") as stream:
            octets = stream.read(most + 1)
    except OSError as error:
        raise ConfigErrors([Problem(Mark(file, 1, 1), (), f"cannot read: {error.strerror}")]) from None
    return parse(octets, file, most, build)


def parse(
    octets: bytes, file: str, most: int = MAX_OCTETS, build: Callable[[Document, str], None] = build
) -> Document:
    """The document in `octets`, with its problems. Raises ConfigErrors: too large, not YAML."""
    if len(octets) > most:
        text = f"larger than {most} octets; split it into several files"
        raise ConfigErrors([Problem(Mark(file, 1, 1), (), text)])
    document = Document(file)
    try:
        text = octets.decode("utf-8")
        build(document, text)
    except UnicodeDecodeError as error:
        place = _place(octets[: error.start].decode("utf-8"), file)
        raise ConfigErrors([Problem(place, (), "not UTF-8; save the file in that encoding")]) from None
    except yaml.MarkedYAMLError as error:
        raise ConfigErrors([_syntax(file, error, text)]) from None
    except yaml.reader.ReaderError as error:
        place = _place(text[: error.position], file)
        why = f"not YAML: character {error.character:#x} is not allowed; take it out"
        raise ConfigErrors([Problem(place, (), why)]) from None
    return document


def _survey(text: str, file: str) -> frozenset[tuple[int, int]]:
    """Where explicit tags stand (line and column from 0). Raises ConfigErrors: nested too deep."""
    tagged: set[tuple[int, int]] = set()
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            start = event.start_mark
            assert start is not None  # said for every event but the stream's
            if event.tag is not None:
                tagged.add((start.line, start.column))
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    mark = Mark(file, start.line + 1, start.column + 1)
                    raise ConfigErrors([Problem(mark, (), _TOO_DEEP)])
    return frozenset(tagged)


def _place(before: str, file: str) -> Mark:
    """The place right behind the text `before`."""
    return Mark(file, before.count("\n") + 1, len(before) - before.rfind("\n"))


def _syntax(file: str, error: yaml.MarkedYAMLError, text: str) -> Problem:
    place = error.problem_mark or error.context_mark
    mark = Mark(file, place.line + 1, place.column + 1) if place else Mark(file, 1, 1)
    why = error.problem or "not understood"
    if why == _NO_TOKEN and text.split("\n")[mark.line - 1][mark.column - 1 :].startswith("\t"):
        why = "found a tab character that violates indentation"
    if why in _HINTS:
        why = f"{why.removeprefix('but ')}; {_HINTS[why]}"
    elif error.context:
        since = f" in line {error.context_mark.line + 1}" if error.context_mark else ""
        why = f"{why} ({error.context}{since})"
    return Problem(mark, (), f"not YAML: {why}")


def scalar(text: str, quoted: bool) -> Any:
    """The value of a scalar; `quoted`, or a block: always text. Raises ValueError."""
    if quoted:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text):
        return int(text)
    if _LEADING_ZERO.match(text):
        raise ValueError(f"{text} could be octal; write it without the zero or in quotes")
    return float(text) if _FLOAT.match(text) else text


class _Builder:
    """Makes values of nodes, noting marks and problems."""

    def __init__(self, document: Document, tagged: frozenset[tuple[int, int]]) -> None:
        self.document = document
        self.tagged = tagged
        self.problems = document.problems
        self.nodes = 0

    def value(self, node: yaml.Node, path: Path, depth: int) -> Any:
        mark = self._mark(node)
        self.document.note(path, mark)
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            what = _TOO_DEEP if depth > MAX_DEPTH else _TOO_MANY
            raise ConfigErrors([*self.problems, Problem(mark, path, what)])
        if self._is_tagged(node):
            self._complain(node, path, _NO_TAGS)
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index), depth + 1) for index, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)  # there is no other kind
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            mark = self._mark(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self._leave_out(Problem(mark, path, "a key must be a word, not a list or mapping"), path)
                continue
            key = key_node.value
            here = (*path, key)
            if self._is_tagged(key_node):
                self._leave_out(Problem(mark, here, _NO_TAGS), path)
                continue
            if key == "<<" and not key_node.style:
                merges = "merge keys (<<) are not used here; write it out"
                self._leave_out(Problem(mark, here, merges), path)
                continue
            if key in out:
                first = self.document._keys[here]
                twice = f"stands twice (first in line {first.line}); keep one"
                self.problems.append(Problem(mark, here, twice))
                continue
            self.document._keys[here] = mark
            out[key] = self.value(value_node, here, depth + 1)
        return out

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        try:
            return scalar(node.value, bool(node.style))
        except ValueError as error:
            self._complain(node, path, str(error))
            return None

    def _is_tagged(self, node: yaml.Node) -> bool:
        return (node.start_mark.line, node.start_mark.column) in self.tagged

    def _complain(self, node: yaml.Node, path: Path, text: str) -> None:
        self._leave_out(Problem(self._mark(node), path, text), path)

    def _leave_out(self, problem: Problem, path: Path) -> None:
        self.problems.append(problem)
        self.document.broken.add(path)

    def _mark(self, node: yaml.Node) -> Mark:
        start = node.start_mark
        return Mark(self.document.file, start.line + 1, start.column + 1)
