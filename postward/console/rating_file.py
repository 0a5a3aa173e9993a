"""Ratings in a file: read with everything that is wrong in it told at once, then taken over."""

import asyncio
import json
import time
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from postward.derive.rating_key import BadKey, read_key
from postward.rules.document import read
from postward.rules.errors import ConfigErrors

if TYPE_CHECKING:
    from postward.state import Rating, Store

MAX_OCTETS = 200_000_000
_MOST = 100.0  # points, either way
_MOST_EVENTS = 20  # that a record is told in: rules ask for few before it counts
_TOLD = 20  # problems
_AT_ONCE = 500  # ratings that are written together
_FIELDS = {"key", "points", "samples", "updated", "reason", "pinned"}


class BadFile(ValueError):
    """What is wrong with a file, one line each."""


class Entry(NamedTuple):
    """One rating. `pinned`: a person's word."""

    key: str
    points: float
    samples: float
    reason: str
    pinned: bool


def read_file(path: Path) -> list[Entry]:
    """The ratings in a file of JSON lines, or in a YAML list where its name says so. Raises BadFile."""
    if path.stat().st_size > MAX_OCTETS:
        raise BadFile(f"{path}: larger than {MAX_OCTETS} octets")
    rows = _yaml(path) if path.suffix in (".yml", ".yaml") else _lines(path)
    entries, problems = [], []
    for number, row in rows:
        try:
            entries.append(_entry(json.loads(row) if isinstance(row, str) else row))
        except RecursionError:
            problems.append(f"{path}:{number}: nested too deeply")
        except ValueError as error:  # BadKey and JSONDecodeError are ValueErrors too
            problems.append(f"{path}:{number}: {error}")
    if problems:
        more = [f"and {len(problems) - _TOLD} more"] if len(problems) > _TOLD else []
        raise BadFile("\n".join(problems[:_TOLD] + more))
    return entries


def _lines(path: Path) -> list[tuple[int, Any]]:
    """The lines of a file that are not empty, numbered from 1."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadFile(f"{path}: not UTF-8: {error.reason}") from None
    return [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]


def _yaml(path: Path) -> list[tuple[int, Any]]:
    """The items of a YAML list, numbered from 1."""
    try:
        document = read(path)
    except ConfigErrors as errors:
        raise BadFile(str(errors)) from None
    if document.problems:
        raise BadFile("\n".join(str(each) for each in document.problems[:_TOLD]))
    if not isinstance(document.data, list):
        raise BadFile(f"{path}: must be a list such as [{{key: asn:64500, points: -6, reason: why}}]")
    return list(enumerate(document.data, 1))


def _entry(row: Any) -> Entry:
    """One rating. Raises ValueError."""
    if not isinstance(row, dict):
        raise ValueError("must be a mapping with key, points and reason")
    odd = sorted(str(name) for name in row.keys() - _FIELDS)
    if odd:
        raise ValueError(f"unknown {', '.join(odd)}; there are {', '.join(sorted(_FIELDS))}")
    key, reason, pinned = row.get("key"), row.get("reason", ""), row.get("pinned", "samples" not in row)
    if not isinstance(key, str):
        raise BadKey("needs a key such as client:192.0.2.7")
    if not isinstance(reason, str) or not isinstance(pinned, bool):
        raise ValueError("reason must be text, pinned true or false")
    return Entry(
        read_key(key), _number(row, "points", -_MOST, _MOST), _number(row, "samples", 0, 1e12), reason, pinned
    )


def _number(row: dict[str, Any], name: str, least: float, most: float) -> float:
    value = row.get(name, 0 if name == "samples" else None)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError(f"{name} must be a number")
    if not least <= value <= most:
        raise ValueError(f"{name} must be {least:g} to {most:g}")
    return float(value)


class Told(NamedTuple):
    """What became of the rating of `key`: `taken`, `kept` as it is here, or `unchanged`; and in words."""

    key: str
    became: str
    text: str


async def take(store: "Store", entries: list[Entry], *, by: str) -> list[Told]:
    """Take the ratings over; what became of each. Raises StoreDown."""
    told: list[Told] = []
    for start in range(0, len(entries), _AT_ONCE):
        some, now = entries[start : start + _AT_ONCE], time.time()
        here = await store.ratings.read(tuple(each.key for each in some), now=now)
        # Together, so that the disk is waited for once.
        told += await asyncio.gather(*(_take(store, *pair, now, by) for pair in zip(some, here, strict=True)))
    return told


async def _take(store: "Store", each: Entry, here: "Rating | None", now: float, by: str) -> Told:
    if each.pinned:
        if here is not None and here.pinned and (here.points, here.reason) == (each.points, each.reason):
            return Told(each.key, "unchanged", "unchanged")
        await store.ratings.set(each.key, each.points, now=now, by=by, reason=each.reason)
        before = "was not rated" if here is None else f"was {here.points:.2f}"
        return Told(each.key, "taken", f"{each.points:.2f} until it is cleared ({before})")
    if here is not None:
        return Told(each.key, "kept", f"kept at {here.points:.2f}")
    events = max(1, min(round(each.samples), _MOST_EVENTS))
    for _ in range(events):
        store.ratings.note((each.key,), each.points / events, now=now, reason=each.reason)
    return Told(each.key, "taken", f"{each.points:.2f}")
