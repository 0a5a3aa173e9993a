"""The recorded milter sessions of a real Postfix (tests/traces), as packets."""

import base64
import json
import lzma
from functools import cache
from pathlib import Path

from milters.wire import packet

TRACES = Path(__file__).parents[1] / "traces"
FOLDERS = ("no", "normalize", "strict")


@cache
def sessions(folder: str) -> dict[str, list[bytes]]:
    """`case-number` -> the packets of one connection, in order, as octets."""
    found: dict[str, list[bytes]] = {}
    with lzma.open(TRACES / folder / "milter.jsonl.xz", "rt") as lines:
        for line in lines:
            row = json.loads(line)
            octets = packet(ord(row["cmd"]), base64.b64decode(row["data_b64"]))
            found.setdefault(f"{row['case']}-{row['conn']}", []).append(octets)
    return found


@cache
def policy_requests(folder: str) -> dict[str, list[dict[str, str]]]:
    """case -> the policy requests of the same SMTP session, as attributes."""
    found: dict[str, list[dict[str, str]]] = {}
    with lzma.open(TRACES / folder / "policy.jsonl.xz", "rt") as lines:
        for line in lines:
            row = json.loads(line)
            raw = base64.b64decode(row["raw_b64"]).decode("utf-8", "surrogateescape")
            pairs = (pair.split("=", 1) for pair in raw.split("\n") if pair)
            found.setdefault(row["case"], []).append(dict(pairs))
    return found
