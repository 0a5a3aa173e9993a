"""The table (Markdown, so that it can be pasted into docs/benchmarks.md) and the JSON."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from lab.bench.calm import QUIET
from lab.bench.contender import Row


def table(rows: Sequence[Row], unit: str, limit: str, peers: Sequence[str]) -> str:
    """`unit` is "requests" or "messages"; ratios of the rates to `limit` and to each of `peers`."""
    measured = {row.contender.name: row for row in rows if row.readings}
    compared = [name for name in (limit, *peers) if name in measured]
    head = ["contender", f"{unit}/s", "CPU us", "p50 ms", "p99 ms", "PSS MB"]
    head += ["of the limit" if name == limit else f"x {name}" for name in compared]
    others = [measured[name] for name in compared]
    text = aligned([head, *(_cells(row, others, limit) for row in measured.values())])
    trouble = [
        f"{row.contender.name}: {count} without an answer, or refused"
        for row in measured.values()
        if (count := sum(reading.trouble for reading in row.readings))
    ]
    readings = [reading for row in measured.values() for reading in row.readings]
    disturbed = sum(reading.others > QUIET for reading in readings)
    if disturbed:
        trouble.append(f"{disturbed} of {len(readings)} readings began while other programs were busy")
    skipped = [f"skipped: {row.contender.name}: {row.skipped}" for row in rows if row.skipped]
    return "\n".join([text, *trouble, *skipped])


def _cells(row: Row, compared: Sequence[Row], limit: str) -> list[str]:
    rate = row.median("rate")
    cells = [
        row.contender.name,
        f"{rate:,.0f}",
        f"{row.median('cpu_us'):,.1f}",
        f"{row.median('p50_ms'):.2f}",
        f"{row.median('p99_ms'):.2f}",
        f"{row.median('pss_mb'):.1f}",
    ]
    for other in compared:
        ratio = rate / other.median("rate")
        cells.append(f"{ratio:.0%}" if other.contender.name == limit else f"{ratio:.2f}")
    return cells


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table: the first column to the left, numbers to the right."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]

    def spell(line: Sequence[str]) -> str:
        cells = [line[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        return "| " + " | ".join(cells) + " |"

    ruler = (
        "|" + "-" * (widths[0] + 2) + "|" + "|".join("-" * (width + 1) + ":" for width in widths[1:]) + "|"
    )
    return "\n".join([spell(lines[0]), ruler, *map(spell, lines[1:])])


def machine() -> dict[str, str | int | None]:
    """On what this was measured."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def write_json(path: Path, what: str, rows: Sequence[Row], settings: dict[str, object]) -> None:
    """All readings, not only the medians."""
    columns = ("rate", "cpu_us", "p50_ms", "p99_ms", "pss_mb")
    document = {
        "bench": what,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "settings": settings,
        "rows": [
            {
                "name": row.contender.name,
                "kind": row.contender.kind,
                "work": row.contender.work,
                "note": row.contender.note,
                "skipped": row.skipped,
                "median": {column: row.median(column) for column in columns} if row.readings else None,
                "readings": [asdict(reading) for reading in row.readings],
            }
            for row in rows
        ],
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
