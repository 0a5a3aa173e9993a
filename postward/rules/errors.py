"""What is wrong with a configuration: every problem at once, each with its place in a file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, where it stands, and at which path of the document."""

    mark: Mark
    path: Path
    text: str

    def __str__(self) -> str:
        where = spell(self.path)
        return f"{self.mark}: {where}: {self.text}" if where else f"{self.mark}: {self.text}"


class ConfigErrors(Exception):
    """A configuration that is not used: `problems` says all that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems), key=lambda problem: (problem.mark, problem.text))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def spell(path: Path) -> str:
    """A path as people write it: `rules[0].then.score`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """`; did you mean X?` when a known word is near, else the list of known words."""
    return nearest(word, known) or f"; known: {', '.join(sorted(known))}"


def nearest(word: str, known: Sequence[str]) -> str:
    """`; did you mean X?` when a known word is near, else nothing."""
    import difflib  # only when something is wrong

    near = difflib.get_close_matches(word, known, 1)
    return f"; did you mean {near[0]}?" if near else ""
