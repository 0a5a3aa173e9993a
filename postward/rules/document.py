"""A YAML file as plain values, each of which knows its line and column.

PyYAML composes the nodes; values are made here after the YAML 1.2 core schema, so that `off` and
`no` are words, not False, and dates stay text. Refused: duplicate keys, tags, more than 1 MB,
deep nesting, aliases that expand to very much (THREATS E9).
"""

import re
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml

from postward.rules.errors import ConfigErrors, Mark, Path, Problem

MAX_OCTETS = 1_000_000
MAX_DEPTH = 20
MAX_NODES = 200_000

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})\Z")
_FLOAT = re.compile(r"[-+]?([0-9]{1,17}\.[0-9]{0,17}|\.[0-9]{1,17})([eE][-+]?[0-9]{1,3})?\Z")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+\Z")
_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "true": True, "false": False}


@dataclass(slots=True)
class Document:
    """The values of one file and where they stand."""

    file: str
    data: Any = None
    _values: dict[Path, Mark] = field(default_factory=dict)
    _keys: dict[Path, Mark] = field(default_factory=dict)

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


def read(path: FilePath) -> Document:
    """The document in the file at `path`. Raises ConfigErrors: unreadable, too large, not YAML."""
    file = str(path)
    try:
        with path.open("rb") as stream:
            octets = stream.read(MAX_OCTETS + 1)
    except OSError as error:
        raise ConfigErrors([Problem(Mark(file, 1, 1), (), f"cannot read: {error.strerror}")]) from None
    return parse(octets, file)


def parse(octets: bytes, file: str) -> Document:
    """The document in `octets`. Raises ConfigErrors."""
    if len(octets) > MAX_OCTETS:
        raise ConfigErrors([Problem(Mark(file, 1, 1), (), f"larger than {MAX_OCTETS} octets")])
    document = Document(file)
    builder = _Builder(document)
    try:
        text = octets.decode("utf-8")
        node = yaml.compose(text, Loader=_LOADER)
        if node is not None:
            document.data = builder.value(node, (), 0)
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        column = error.start - octets.rfind(b"\n", 0, error.start)
        raise ConfigErrors([Problem(Mark(file, line, column), (), "not UTF-8")]) from None
    except yaml.MarkedYAMLError as error:
        raise ConfigErrors([_syntax(file, error)]) from None
    except yaml.YAMLError as error:
        text = str(error).splitlines()[0]
        raise ConfigErrors([Problem(Mark(file, 1, 1), (), f"not YAML: {text}")]) from None
    except RecursionError:
        raise ConfigErrors([Problem(Mark(file, 1, 1), (), "nested too deep")]) from None
    if builder.problems:
        raise ConfigErrors(builder.problems)
    return document


def _syntax(file: str, error: yaml.MarkedYAMLError) -> Problem:
    place = error.problem_mark or error.context_mark
    mark = Mark(file, place.line + 1, place.column + 1) if place else Mark(file, 1, 1)
    text = error.problem or "not understood"
    if error.context:
        text = f"{text} ({error.context})"
    return Problem(mark, (), f"not YAML: {text}")


class _Builder:
    """Makes values of nodes, noting marks and problems."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []
        self.nodes = 0

    def value(self, node: yaml.Node, path: Path, depth: int) -> Any:
        mark = self._mark(node)
        self.document._values[path] = mark
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            what = "nested too deep" if depth > MAX_DEPTH else "too many values (aliases?)"
            raise ConfigErrors([*self.problems, Problem(mark, path, what)])
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index), depth + 1) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            mark = self._mark(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(Problem(mark, path, "a key must be a word"))
                continue
            key = key_node.value
            here = (*path, key)
            if key in out:
                first = self.document._keys[here]
                self.problems.append(Problem(mark, here, f"stands twice (first in line {first.line})"))
                continue
            self.document._keys[here] = mark
            out[key] = self.value(value_node, here, depth + 1)
        return out

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        text: str = node.value
        if node.tag.startswith("!") or (node.tag.endswith(":binary")):
            self._complain(node, path, f"tag {node.tag} is not used here")
            return None
        if isinstance(node, yaml.ScalarNode) and node.style:  # quoted or block (C: "" is plain): always text
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _INT.match(text):
            return int(text)
        if _LEADING_ZERO.match(text):
            self._complain(node, path, f"{text} could be octal; write it without the zero or in quotes")
            return None
        return float(text) if _FLOAT.match(text) else text

    def _complain(self, node: yaml.Node, path: Path, text: str) -> None:
        self.problems.append(Problem(self._mark(node), path, text))

    def _mark(self, node: yaml.Node) -> Mark:
        start = node.start_mark
        return Mark(self.document.file, start.line + 1, start.column + 1)
