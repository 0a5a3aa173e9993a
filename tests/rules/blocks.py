"""Blocks of text that each make a configuration directory, and what loading it must say.

    === what the case is about
    --- doors policyd
    --- rules.d/a.yml
    thresholds: {tag: many}
    --- says
    rules.d/a.yml:1:18: thresholds.tag: must be a number, not text

A file's line may end in `escaped` (`\\t`, `\\x00` stand for octets), `times N` (its text, without
the line's end, N times), or both. `doors` names the doors in use, both by default. Lines before the first
`===` and empty lines at the end of a file are left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from postward.stage import Door


@dataclass
class Block:
    """One configuration: `files` by their path in the directory, `says` the lines to expect."""

    name: str
    doors: frozenset[Door] = frozenset(Door)
    files: dict[str, bytes] = field(default_factory=dict)
    says: list[str] = field(default_factory=list)

    def write(self, directory: Path) -> None:
        """Make the files."""
        for name, octets in self.files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(octets)


def blocks(text: str) -> Iterator[Block]:
    """The blocks in `text`."""
    for part in ("\n" + text).split("\n=== ")[1:]:
        name, _, rest = part.partition("\n")
        block = Block(name)
        for section in ("\n" + rest).split("\n--- ")[1:]:
            head, _, body = section.partition("\n")
            _take(block, head.split(), body.rstrip("\n"))
        yield block


def _take(block: Block, head: list[str], body: str) -> None:
    match head:
        case ["says"]:
            block.says = body.split("\n")
        case ["doors", *names]:
            block.doors = frozenset(map(Door, names))
        case [file, "escaped"]:
            block.files[file] = _octets(body + "\n")
        case [file, "escaped", "times", times]:
            block.files[file] = _octets(body) * int(times)
        case [file, "times", times]:
            block.files[file] = body.encode() * int(times)
        case [file]:
            block.files[file] = (body + "\n").encode()
        case _:
            raise ValueError(f"what is {' '.join(head)!r}?")


def _octets(text: str) -> bytes:
    return text.encode().decode("unicode_escape").encode("latin-1")
