"""What an outcome is worth, and whose ratings it changes: bounded, whatever one client does.

One client's faults and merits count for those of whom it is a part (its network, its autonomous
system, the owner of its name, the sender's domain) up to a bound; `accepted` comes once a minute and
ends at `MOST_MERIT`; and of the large providers of mail, who send for everybody, only the addresses
are rated.
"""

import logging
from collections.abc import Mapping
from typing import Literal, NamedTuple

from postward import eager
from postward.checks import Cost
from postward.checks.registry import CHECKS
from postward.derive import identity
from postward.derive.provider_names import CLAIMABLE
from postward.mail import IPAddress, Mail
from postward.network import holder_of
from postward.rules.judgement import Judgement
from postward.state import Rating, StoreDown
from postward.tools import Tools

_log = logging.getLogger("postward.learning")
SHARES = {"network": 0.25, "asn": 0.05, "host": 1.0, "domain": 1.0}
"""What part of a client's points its /24 or /64, its autonomous system, the owner of its name and the
sender's domain get."""
MOST_SHARED = 4.0
"""Points of one client, good and bad each, that they get a share of in a week: its network 1 at most.

With the half-life of 14 days no client alone brings its network to -4, nor a domain to -14, however
often it is caught.
"""
_WEEK = 7 * 86_400.0
MOST_MERIT = 10.0
"""`accepted` lifts no rating above this: what is better rests on more than that nothing was found."""
_MINUTE = 60.0
_NAMES = ("host:", "domain:")
_LOOKING = frozenset(name for name, check in CHECKS.items() if check.cost is Cost.LOOKUP)

Word = Literal[
    "accepted", "deferred", "rejected", "listed",
    "ham", "spam", "virus", "dmarc_fail", "bounced", "complaint",
]  # fmt: skip


class Points(NamedTuple):
    """What an outcome adds to the ratings of who sent the mail (`ratings:` in postward.yml).

    Of policyd: `accepted`, `deferred`, `rejected` (by anything but a rule about the recipient),
    `listed` (on a DNS block list). Of what looks into the message, or hears of it afterwards:
    `ham`, `spam`, `virus`, `dmarc_fail`, `bounced`, `complaint`.
    """

    accepted: float = 0.2
    deferred: float = 0.0
    rejected: float = -1.0
    listed: float = -0.5
    ham: float = 0.2
    spam: float = -2.0
    virus: float = -6.0
    dmarc_fail: float = -1.0
    bounced: float = -0.2
    complaint: float = -3.0


def note(
    keys: tuple[str, ...],
    points: float,
    *,
    tools: Tools,
    reason: str,
    room: Mapping[str, float] | None = None,
) -> None:
    """Add `points` to the ratings of `keys`: those of one client, or one that somebody tells of.

    `room`: the most that each key gets, where there is a bound.
    """
    shared = _shared(keys, points, tools)
    together: dict[float, list[str]] = {}
    for key in keys:
        share = SHARES.get(key.partition(":")[0])
        amount = points if share is None else shared * share
        if room is not None:
            amount = min(amount, room.get(key, amount))
        if amount:
            together.setdefault(amount, []).append(key)
    now = tools.clock.wall()
    for amount, each in together.items():
        tools.store.ratings.note(tuple(each), amount, now=now, reason=reason)


def _shared(keys: tuple[str, ...], points: float, tools: Tools) -> float:
    """What of a client's points counts for those of whom it is a part."""
    client = next((key for key in keys if key.startswith("client:")), "")
    if not client:
        return points
    now = tools.clock.monotonic()
    kind = "good shares" if points > 0 else "bad shares"
    granted = tools.lately.room(kind, client, abs(points), most=MOST_SHARED, now=now, within=_WEEK)
    return granted if points > 0 else -granted


def merit(points: float, mail: Mail, client: IPAddress, tools: Tools) -> None:
    """Good mail comes in large numbers: it counts once a minute for a client, whatever it calls itself."""
    now = tools.clock.monotonic()
    if not points or not tools.lately.first("accepted", holder_of(client), now=now, within=_MINUTE):
        return
    keys = rated(mail, tools)
    if points < 0:
        note(keys, points, tools=tools, reason="")
        return
    found = _on_record(keys, tools)
    if found is not None:
        held = {key: each.points for key, each in zip(keys, found, strict=True) if each is not None}
        room = {key: max(MOST_MERIT - points, 0.0) for key, points in held.items()}
        note(keys, min(points, MOST_MERIT), tools=tools, reason="", room=room)


def rated(mail: Mail, tools: Tools, judgement: Judgement | None = None) -> tuple[str, ...]:
    """The keys of the ratings that this mail changes.

    Names count only if a look-up rule was asked for `judgement`: what another message of the client has
    looked up within the last seconds is no luck or misfortune of this one. One that goes on has been
    asked about in full. Of a large provider of mail only the addresses are rated.
    """
    keys = identity.rating_keys(mail, tools)
    names = judgement is None or any(
        each.finding is not None and each.check in _LOOKING for each in judgement.judged
    )
    return tuple([key for key in keys if not key.startswith(_NAMES) or (names and _is_one(key, tools))])


def _is_one(key: str, tools: Tools) -> bool:
    """Whether one party answers for the domain in `key`."""
    domain = key.partition(":")[2]
    freemail = tools.lists.get("freemail")
    return domain not in CLAIMABLE and (
        freemail is None or freemail.match_domain(domain, tools.clock.wall()) is None
    )


def _on_record(keys: tuple[str, ...], tools: Tools) -> tuple[Rating | None, ...] | None:
    """The ratings, which are at hand as a rule; None: not now."""
    try:
        read = eager.start(tools.store.ratings.read(keys, now=tools.clock.wall()))
    except StoreDown as down:
        _log.debug("no merit noted: %s", down)
        return None
    if isinstance(read, eager.Ready):
        return read.value
    read.cancel()
    return None
