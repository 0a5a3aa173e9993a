"""What each list was good for, and how it is; kept in a small file that the console reads.

The file is replaced as a whole. One that cannot be read counts as empty: numbers are lost, mail is not.
"""

import json
import logging
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

_log = logging.getLogger("postward.dnslists")
MAX_OCTETS = 1_000_000
MAX_TEXT = 500
_MAX_COUNT = 2**53
NOT_TESTED = "not tested yet"


@dataclass(slots=True)
class Counts:
    """Since the file was begun. `hits` are answers that list, `unique` those that no other list of its
    kind (block or allow) gave; `agreed` and `disagreed` count hits by what became of the mail; `refused`
    queries that the list would not answer, `unsure` all that it could not tell, those too."""

    queries: int = 0
    hits: int = 0
    unique: int = 0
    agreed: int = 0
    disagreed: int = 0
    refused: int = 0
    unsure: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One question of a self-test: what was asked, what came, and whether that is as it should be."""

    asked: str
    answer: str
    passed: bool


@dataclass(slots=True)
class State:
    """How a list is. `since`, `tested`: seconds of the wall clock, 0 for never; `why` it is off."""

    on: bool = False
    why: str = NOT_TESTED
    since: float = 0.0
    tested: float = 0.0
    alarmed: bool = False
    """An alarm said that it is off, and none yet that it is back."""
    steps: tuple[Step, ...] = ()
    counts: Counts = field(default_factory=Counts)


def load(file: Path) -> dict[str, State]:
    """The states in `file` by the names of the lists; none when it is not there or not readable."""
    try:
        with file.open("rb") as stream:
            octets = stream.read(MAX_OCTETS + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        _log.warning("%s cannot be read (%s): no numbers are known", file, error.strerror)
        return {}
    try:
        return _states(octets)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        _log.warning("%s is damaged (%s): the numbers begin anew", file, type(error).__name__)
        return {}


def _states(octets: bytes) -> dict[str, State]:
    if len(octets) > MAX_OCTETS:
        raise ValueError("too large")
    return {str(name): _state(value) for name, value in json.loads(octets)["lists"].items()}


def _state(value: Mapping[str, Any]) -> State:
    counts = {each.name: min(max(int(value["counts"][each.name]), 0), _MAX_COUNT) for each in fields(Counts)}
    steps = [
        Step(_text(each["asked"]), _text(each["answer"]), bool(each["passed"])) for each in value["steps"]
    ]
    return State(
        bool(value["on"]),
        _text(value["why"]),
        float(value["since"]),
        float(value["tested"]),
        bool(value["alarmed"]),
        tuple(steps),
        Counts(**counts),
    )


def _text(value: Any) -> str:
    return str(value)[:MAX_TEXT]


def save(file: Path, states: Mapping[str, State]) -> None:
    """Replace `file`. Raises OSError."""
    octets = json.dumps({"lists": {name: asdict(state) for name, state in states.items()}}).encode()
    fresh = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(octets)
        fresh.replace(file)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
