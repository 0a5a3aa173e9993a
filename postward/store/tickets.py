"""What becomes of a ticket, for every store, and how its texts are spelled in the file.

All of it comes from strangers: names, values and their number are bounded before they are kept.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from postward.state import Ticket
from postward.store.text import stored

VERDICTS = frozenset({"waiting", "approved", "denied"})
MAX_DOMAIN = 255
MAX_EVIDENCE = 16_384
MAX_NOTE = 1_000
MAX_CLIENTS = 16
_MAX_CLIENT = 64
_MAX_NAMES = 64
_MAX_NAME = 64
_MAX_TEXT = 2_000


def open_ticket(ticket_id: str, domain: str, now: float, evidence: str, knock: Mapping[str, str]) -> Ticket:
    """A ticket for a domain that was not met before. `domain`: lower case."""
    evidence, knock = stored(evidence, MAX_EVIDENCE), bounded(knock)
    return Ticket(
        ticket_id, domain, "waiting", now, now, 1, evidence, knock=knock, clients=_with_client((), knock)
    )


def join_ticket(held: Ticket, now: float, evidence: str, knock: Mapping[str, str]) -> Ticket:
    """The ticket after one more attempt. Who knocked first stays, and the first evidence there was."""
    return replace(
        held,
        attempts=held.attempts + 1,
        last_seen=max(held.last_seen, now),
        evidence=held.evidence or stored(evidence, MAX_EVIDENCE),
        knock=held.knock or bounded(knock),
        clients=_with_client(held.clients, knock),
    )


def decide_ticket(held: Ticket, verdict: str, now: float, by: str, note: str) -> Ticket:
    """The ticket after a person's word."""
    return replace(
        held,
        verdict=verdict,
        decided_by=stored(by, MAX_NOTE),
        note=stored(note, MAX_NOTE),
        decided=0.0 if verdict == "waiting" else now,
    )


def check_verdict(verdict: str) -> None:
    """Raises `ValueError` for what is no verdict."""
    if verdict not in VERDICTS:
        raise ValueError(f"a ticket is waiting, approved or denied, not {verdict!r}")


def bounded(texts: Mapping[str, str]) -> dict[str, str]:
    """The first names of `texts` with their values, as they are kept."""
    kept: dict[str, str] = {}
    for name, value in texts.items():
        if len(kept) >= _MAX_NAMES:
            break
        kept[stored(name, _MAX_NAME)] = stored(value, _MAX_TEXT)
    return kept


def _with_client(clients: tuple[str, ...], knock: Mapping[str, str]) -> tuple[str, ...]:
    client = stored(knock.get("client", ""), _MAX_CLIENT)
    if not client or client in clients or len(clients) >= MAX_CLIENTS:
        return clients
    return (*clients, client)


# --- In the file ---------------------------------------------------------------------------------
def spell(value: Mapping[str, str] | tuple[str, ...]) -> str:
    """JSON."""
    return json.dumps(value, ensure_ascii=False)


def read_texts(text: str) -> dict[str, str]:
    """What `spell` made of a mapping; a damaged text is an empty one."""
    value = _read(text)
    return {str(name): str(each) for name, each in value.items()} if isinstance(value, dict) else {}


def read_list(text: str) -> tuple[str, ...]:
    """What `spell` made of a tuple; a damaged text is an empty one."""
    value = _read(text)
    return tuple([str(each) for each in value]) if isinstance(value, list) else ()


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
