"""What becomes of a ticket, for every store, and how its texts are spelled in the file.

All of it comes from strangers: names, values and their number are bounded before they are kept.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from postward.state import Ticket, TooManyWords
from postward.store.text import stored

VERDICTS = frozenset({"waiting", "approved", "denied"})
MAX_DOMAIN = 255
MAX_EVIDENCE = 16_384
MAX_NOTE = 1_000
MAX_CLIENTS = 16
MAX_WORDS = 20_000
"""More are refused: what a person said is not dropped in silence."""
_MAX_CLIENT = 64
_MAX_NAMES = 64
_MAX_NAME = 64
_MAX_TEXT = 2_000


@dataclass(frozen=True, slots=True)
class Attempt:
    """One delivery attempt: wall clock `now`, and `at` in the store's own time (seconds).

    `verified`: the domain vouches for the client.
    """

    now: float
    at: float
    evidence: str
    knock: Mapping[str, str]
    verified: bool = False


def open_ticket(ticket_id: str, domain: str, attempt: Attempt) -> Ticket:
    """A ticket for a domain that was not met before. `domain`: lower case."""
    knock = bounded(attempt.knock)
    client = _client_of(knock)
    return Ticket(
        ticket_id,
        domain,
        "waiting",
        attempt.now,
        attempt.now,
        1,
        stored(attempt.evidence, MAX_EVIDENCE),
        knock=knock,
        clients=client,
        verified=client if attempt.verified else (),
        since=attempt.at,
    )


def join_ticket(held: Ticket, attempt: Attempt) -> Ticket:
    """The ticket after one more attempt. Who knocked first stays, and the first evidence there was.

    But the first whom the domain vouches for takes the place of a stranger, and a new card is made.
    Once its verdict has ended it is a new one.
    """
    if held.until is not None and attempt.now >= held.until:
        return open_ticket(held.id, held.domain, attempt)
    client = _client_of(attempt.knock)
    joined = replace(
        held,
        attempts=held.attempts + 1,
        last_seen=max(held.last_seen, attempt.now),
        evidence=held.evidence or stored(attempt.evidence, MAX_EVIDENCE),
        knock=held.knock or bounded(attempt.knock),
        clients=_with(held.clients, client),
    )
    if not (attempt.verified and client):
        return joined
    clients = joined.clients
    if client[0] not in clients:  # strangers have filled the place
        others = [each for each in clients if each not in held.verified]
        clients = (*(each for each in clients if each not in others[-1:]), *client)[:MAX_CLIENTS]
    joined = replace(joined, clients=clients, verified=_with(held.verified, client))
    if held.verified:
        return joined
    evidence = stored(attempt.evidence, MAX_EVIDENCE)
    return replace(joined, evidence=evidence, knock=bounded(attempt.knock), card={})


def decide_ticket(held: Ticket, verdict: str, now: float, by: str, note: str, until: float | None) -> Ticket:
    """The ticket after a person's word, or the deadline's."""
    return replace(
        held,
        verdict=verdict,
        decided_by=stored(by, MAX_NOTE),
        note=stored(note, MAX_NOTE),
        decided=0.0 if verdict == "waiting" else now,
        until=None if verdict == "waiting" else until,
    )


def remind_ticket(held: Ticket, way: str, reminded: int) -> Ticket:
    """The ticket after a reminder by `way`."""
    ways = {**held.reminded, stored(way, _MAX_NAME): reminded}
    return replace(held, reminded=dict(list(ways.items())[-_MAX_NAMES:]))


def check_room(words: int) -> None:
    """Raises `TooManyWords` when there is no room beside so many words."""
    if words >= MAX_WORDS:
        raise TooManyWords(f"there are {words} words already, no more are kept")


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


def _client_of(knock: Mapping[str, str]) -> tuple[str, ...]:
    """The client's address, or nothing."""
    client = stored(knock.get("client", ""), _MAX_CLIENT)
    return (client,) if client else ()


def _with(clients: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    if not more or more[0] in clients or len(clients) >= MAX_CLIENTS:
        return clients
    return (*clients, *more)


# --- In the file ---------------------------------------------------------------------------------
def spell(value: Mapping[str, str] | Mapping[str, int] | tuple[str, ...]) -> str:
    """JSON."""
    return json.dumps(value, ensure_ascii=False)


def read_texts(text: str) -> dict[str, str]:
    """What `spell` made of a mapping; a damaged text is an empty one."""
    value = _read(text)
    return {str(name): str(each) for name, each in value.items()} if isinstance(value, dict) else {}


def read_counts(text: str) -> dict[str, int]:
    """What `spell` made of a mapping of numbers; a damaged text is an empty one."""
    value = _read(text)
    if not isinstance(value, dict):
        return {}
    return {str(name): each for name, each in value.items() if isinstance(each, int)}


def read_list(text: str) -> tuple[str, ...]:
    """What `spell` made of a tuple; a damaged text is an empty one."""
    value = _read(text)
    return tuple([str(each) for each in value]) if isinstance(value, list) else ()


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
