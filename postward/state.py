"""All state that outlives a message, as interfaces: one verb is one atomic step.

`postward.store` implements them. Verbs raise `StoreDown`, never anything of a driver. Those that are
no `async def` never wait and never raise: what they note is written behind, within 0.2 seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Protocol

from postward.duration import DURATION


class StoreDown(Exception):
    """The store did not answer in time or could not: the rule's `unsure` outcome follows."""


class TooManyWords(StoreDown):
    """No room for one more word of a person's: first some must be forgotten."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """What greylisting knows of a triplet. `passed`: it may come in; `wait`: seconds until it may."""

    passed: bool
    wait: float
    attempts: int


class Greylist(Protocol):
    async def meet(self, key: str, *, now: float, delay: float, window: float, keep: float) -> Meeting:
        """Note one delivery attempt of `key` at wall clock `now` (seconds) and say whether it may pass.

        First meeting: not passed. A retry after `delay` s and within `window` s of the first passes
        and is remembered for `keep` s after the last one. Atomic: of any number of racing first
        meetings all get the same first time.
        """


@dataclass(frozen=True, slots=True)
class Window:
    """At most `limit` in any `seconds` seconds."""

    limit: int
    seconds: Annotated[int, DURATION]


@dataclass(frozen=True, slots=True)
class Count:
    """One window after a hit: `granted` or not, `used` so far, `free_in` seconds until some is free."""

    granted: bool
    used: int
    free_in: float


class Counters(Protocol):
    async def hit(
        self, key: str, windows: tuple[Window, ...], amount: int, *, now: float, instance: str
    ) -> tuple[Count, ...]:
        """Book `amount` on `key` in all windows at once, or in none if one of them is full.

        The answer is durable before it is given. Repeating it with the same `instance` books
        nothing twice and gives the same grant.
        """


# --- What was met before ---------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Sighting:
    """What is remembered of a key: wall clock seconds, how often, and the last value that came with it."""

    first: float
    last: float
    times: int
    value: str = ""


class Seen(Protocol):
    """What was met before: good names of clients, known correspondents, sender domains, trapped clients.

    A key is `<kind> <what>`, such as `rdns 192.0.2.7`; each kind belongs to one user.
    """

    def note(self, key: str, *, now: float, keep: float, value: str = "") -> None:
        """Remember that `key` was met at `now`, until `keep` s after its last meeting."""

    async def find(self, key: str, *, now: float) -> Sighting | None:
        """What is remembered of `key`, None once its time is over."""

    async def forget(self, key: str) -> bool:
        """Forget `key`; False when nothing was remembered. Durable before the answer."""

    async def rows(self, kind: str, *, now: float, limit: int = 1_000) -> tuple[tuple[str, Sighting], ...]:
        """(what, sighting) of a kind, last seen first. For reports."""


# --- Rating ----------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Rating:
    """The running record of a client, network, domain or login.

    `points`: good is above zero; decayed to the time of reading, half of them are gone after the
    store's half-life. `samples`: how many events it rests on, decayed alike. `pinned`: a person set
    it; it neither decays nor changes by itself. `reason`: of the last change that was told.
    """

    key: str
    points: float
    samples: float
    updated: float
    reason: str = ""
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class RatingChange:
    """One change of a rating that was worth telling. `by`: a person, or the part of Postward."""

    at: float
    points: float
    reason: str
    by: str


class Ratings(Protocol):
    """Keys are `<kind>:<what>`: client:192.0.2.7, network:192.0.2.0/24, asn:64500, host:example.org
    (HELO or rDNS domain), domain:example.org (sender), login:alice@example.org.
    """

    def note(self, keys: tuple[str, ...], points: float, *, now: float, reason: str) -> None:
        """Add `points` to each key, as one more sample."""

    async def read(self, keys: tuple[str, ...], *, now: float) -> tuple[Rating | None, ...]:
        """The ratings of `keys`, in their order."""

    async def set(self, key: str, points: float, *, now: float, by: str, reason: str) -> Rating:
        """A person's word: it stands until it is cleared. Durable before the answer."""

    async def clear(self, key: str, *, now: float, by: str, reason: str) -> bool:
        """Forget the rating; False when there was none. Durable before the answer; its history stays."""

    async def rows(self, prefix: str = "", *, now: float, limit: int = 100) -> tuple[Rating, ...]:
        """Ratings whose key begins with `prefix`, the worst first."""

    async def history(self, key: str, *, limit: int = 20) -> tuple[RatingChange, ...]:
        """Its last changes, newest first."""


# --- Holds -----------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Ticket:
    """A sender domain that waits for a person. `verdict`: waiting | approved | denied.

    The verdict is about the whole domain; what a person says of a client or network is a `Word` alone.
    `evidence`: the rules that hit. `knock`: who knocked first (client, helo, ptr, sender, recipient
    ...), or the first whom the domain vouches for: anybody can write its name. `card`: what was found
    out since, name -> text; empty until the look-ups have ended. `clients`: addresses that tried, at
    most 16, first ones first; `verified`: those of them whom the domain vouches for. `reminded`: how
    many reminders went out, by way (mail, webhook). `decided`: when, 0.0 while it waits. `until`: when
    the verdict ends and the domain waits anew, None for never. `since`: when it was opened in the
    store's own time (`Holds.time`), which its age goes by; `opened` is for people.
    """

    id: str
    domain: str
    verdict: str
    opened: float
    last_seen: float
    attempts: int
    evidence: str
    decided_by: str = ""
    note: str = ""
    knock: Mapping[str, str] = field(default_factory=dict)
    card: Mapping[str, str] = field(default_factory=dict)
    clients: tuple[str, ...] = ()
    reminded: Mapping[str, int] = field(default_factory=dict)
    decided: float = 0.0
    until: float | None = None
    verified: tuple[str, ...] = ()
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Word:
    """A person's remembered word. `kind`: domain | address | network | client; `value` accordingly.

    `ticket`: the id of the ticket that it was said about, if any. `clients`: addresses that the
    approval of a domain or sender holds for, besides those whom the domain itself vouches for.
    """

    kind: str
    value: str
    verdict: str
    by: str
    note: str
    at: float
    expires: float | None = None
    ticket: str = ""
    clients: tuple[str, ...] = ()


BY_DEADLINE = "deadline"
"""Who decided a ticket that no person did: it is kept for a shorter time."""


class Holds(Protocol):
    def time(self, now: float) -> float:
        """The store's own time (seconds) at wall clock `now`: it follows no jump of that clock."""

    async def meet(
        self, domain: str, *, now: float, evidence: str, knock: Mapping[str, str], verified: bool = False
    ) -> Ticket:
        """Open a ticket for `domain` or join the one that there is. Durable before the answer.

        `verified`: the domain vouches for the client. The first such one takes the place of a first
        knock that was not. A ticket whose verdict has ended is opened anew, under its old id.
        """

    async def find(self, ticket_or_domain: str) -> Ticket | None:
        """The ticket with this id or for this domain."""

    async def decide(
        self,
        ticket_id: str,
        verdict: str,
        *,
        now: float,
        by: str,
        note: str,
        until: float | None = None,
        only_if: str | None = None,
    ) -> Ticket | None:
        """Approve, deny, or let it wait again. Durable before the answer.

        `None` when there is no such ticket, or none whose verdict is `only_if`: of two who decide at
        the same time one finds it decided.
        """

    async def tickets(self, verdict: str | None = None, *, limit: int = 100) -> tuple[Ticket, ...]:
        """Newest first."""

    async def put_card(self, ticket_id: str, card: Mapping[str, str]) -> None:
        """Write what was found out about a ticket."""

    async def put_reminded(self, ticket_id: str, way: str, reminded: int) -> None:
        """Note how many reminders went out by `way`."""

    async def due(self, *, now: float, limit: int) -> tuple[Ticket, ...]:
        """Waiting tickets that are to be looked at by `now`, the most overdue first; new ones are at once."""

    async def put_due(self, times: Mapping[str, float]) -> None:
        """When to look at each ticket again: id -> the store's own time."""

    async def put_all_due(self) -> None:
        """Look at all that wait once more."""

    async def say(self, word: Word) -> None:
        """Remember a person's word, in place of an earlier one about the same. Durable before the answer.

        Raises TooManyWords.
        """

    async def unsay(self, kind: str, value: str) -> bool:
        """Forget a word; False when there was none. Durable before the answer."""

    async def words(self, keys: tuple[tuple[str, str], ...], *, now: float) -> tuple[Word, ...]:
        """The words that hold now about any of these (kind, value), in the order of `keys`."""

    async def all_words(self, *, limit: int = 1_000) -> tuple[Word, ...]:
        """Newest first. For reports."""


class Store(Protocol):
    """All state of a site."""

    @property
    def greylist(self) -> Greylist: ...
    @property
    def counters(self) -> Counters: ...
    @property
    def seen(self) -> Seen: ...
    @property
    def ratings(self) -> Ratings: ...
    @property
    def holds(self) -> Holds: ...
