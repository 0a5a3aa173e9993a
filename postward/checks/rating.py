"""What is on record about the client, its network, its name, the sender's domain or the login?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from postward.checks import Cost, Looked
from postward.derive.identity import FACTS, all_rating_keys, rating_key_of
from postward.derive.rating_key import keys_of_address
from postward.finding import CLEAR, Finding, Hit, Unsure
from postward.mail import Mail
from postward.printable import printable
from postward.state import Rating, StoreDown
from postward.tools import Tools

_LIMIT = 100.0  # the store keeps no more points, either way
_Points = Annotated[float, Field(ge=-_LIMIT, le=_LIMIT, allow_inf_nan=False)]
_Read = dict[str, Rating | None]
"""What is on record, by key."""


@dataclass(frozen=True, slots=True)
class Rated:
    """Hit when the running record says more than `above` for it, or less than `below`, against it.

    `host` is the organizational domain of the client's verified name, `domain` that of a sender for
    which the client may speak; what nobody vouches for is not rated. `any` takes of all that are
    known the one that is farthest out. The finding's own score grows with the points.
    """

    name: ClassVar[str] = "rating"
    cost: ClassVar[Cost] = Cost.RECALL
    reasons: ClassVar[Mapping[str, str]] = {
        "bad": "The points have sunk to `below`.",
        "good": "The points have risen to `above`.",
    }
    says: ClassVar[Mapping[str, str]] = {
        "rating": "The points, such as `-6.2`.",
        "rating_of": "What is rated, such as `network:192.0.2.0/24`.",
        "rating_reason": "Why it changed last, or empty.",
    }

    of: Annotated[
        Literal["client", "network", "asn", "host", "domain", "login", "any"],
        Field(description="Whose record is read."),
    ]
    below: Annotated[_Points | None, Field(description="Hit at so many points or fewer.")] = None
    above: Annotated[_Points | None, Field(description="Hit at so many points or more.")] = None
    min_samples: Annotated[
        float,
        Field(
            ge=0,
            le=1_000_000,
            description="Events that a record must rest on to count; what a person set counts at once.",
        ),
    ] = 5
    weight: Annotated[
        float, Field(ge=0, le=100, description="What each point weighs in the finding's own score.")
    ] = 0.5
    most: Annotated[float, Field(ge=0, le=100, description="The own score at most, either way.")] = 4

    def __post_init__(self) -> None:
        if (self.below is None) is (self.above is None):
            raise ValueError("needs one of below and above")

    @property
    def needs(self) -> frozenset[str]:
        return frozenset().union(*FACTS.values()) if self.of == "any" else FACTS[self.of]

    def look(self, mail: Mail, tools: Tools) -> Looked:
        """Several rules ask; what one has read the others take."""
        known: _Read | None = tools.made("rating any")
        if known is not None:
            if self.of == "any":
                return self._finding(known.values())
            key = self._key_at_hand(mail)
            if key in known:
                return self._finding((known[key],))
        return self._look_up(mail, tools)

    async def _look_up(self, mail: Mail, tools: Tools) -> Finding:
        try:
            read = await tools.once(f"rating {self.of}", lambda: self._read(mail, tools))
        except StoreDown as error:
            return Unsure(f"store: {error}")
        return self._finding(read.values())

    def _finding(self, rated: Iterable[Rating | None]) -> Finding:
        enough = self.min_samples - 0.5  # samples fade from the first second on
        counted = [each for each in rated if each is not None and (each.pinned or each.samples >= enough)]
        if not counted:
            return CLEAR
        if self.below is not None:
            out = min(counted, key=lambda each: each.points)
            return _hit("bad", out, self._own(-out.points)) if out.points <= self.below else CLEAR
        out = max(counted, key=lambda each: each.points)
        good = self.above is not None and out.points >= self.above
        return _hit("good", out, self._own(-out.points)) if good else CLEAR

    def _key_at_hand(self, mail: Mail) -> str:
        """The key, where it takes no look-up; else empty."""
        if self.of not in ("client", "network") or mail.client_address is None:
            return ""
        return keys_of_address(mail.client_address)[0 if self.of == "client" else 1]

    async def _read(self, mail: Mail, tools: Tools) -> _Read:
        """The records by key, read in one go and once a message. Raises StoreDown."""
        if self.of == "any":
            keys = await all_rating_keys(mail, tools)
        else:
            key = await rating_key_of(self.of, mail, tools)
            keys = (key,) if key else ()
        if not keys:
            return {}
        return dict(zip(keys, await tools.store.ratings.read(keys, now=tools.clock.wall()), strict=True))

    def _own(self, score: float) -> float:
        """The finding's own score: against the mail above zero."""
        return min(max(score * self.weight, -self.most), self.most)


def _hit(reason: str, rating: Rating, score: float) -> Hit:
    why = printable(rating.reason, 200)
    values = {"rating": f"{rating.points:.1f}", "rating_of": rating.key, "rating_reason": why}
    rests_on = "set by a person" if rating.pinned else f"{rating.samples:.0f} samples"
    said = f"{rating.key} {rating.points:.1f}, {rests_on}"
    return Hit(reason, f"{said}: {why}" if why else said, values, round(score, 2))
