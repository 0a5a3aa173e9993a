"""What is on record about the client, its network, its name, the sender's domain or the login?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from postward.checks import Cost, Looked
from postward.derive.identity import FACTS, all_rating_keys, rating_key_of
from postward.finding import CLEAR, Finding, Hit, Unsure
from postward.mail import Mail
from postward.printable import printable
from postward.state import Rating, StoreDown
from postward.tools import Tools

_LIMIT = 100.0  # the store keeps no more points, either way
_Points = Annotated[float, Field(ge=-_LIMIT, le=_LIMIT, allow_inf_nan=False)]
_NEEDS = frozenset().union(*FACTS.values())
_Read = dict[str, Rating | None]  # by kind
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
        return _NEEDS  # whatever is asked, all is read in one go

    def look(self, mail: Mail, tools: Tools) -> Looked:
        """Several rules ask; the first reads all there is of the mail, and the others take it."""
        known: _Read | None = tools.made("ratings")
        if known is not None and (self.of == "any" or not mail.sasl_username):
            return self._finding(known.values() if self.of == "any" else (known.get(self.of),))
        return self._look_up(mail, tools)

    async def _look_up(self, mail: Mail, tools: Tools) -> Finding:
        # A login answers for itself alone: other keys of such a mail are read only for who asks for them.
        whole = self.of == "any" or not mail.sasl_username
        memo = "ratings" if whole else f"rating {self.of}"
        try:
            read = await tools.once(memo, lambda: self._read(mail, tools, whole=whole))
        except StoreDown as error:
            return Unsure(f"store: {error}")
        return self._finding(read.values() if self.of == "any" else (read.get(self.of),))

    def _finding(self, rated: Iterable[Rating | None]) -> Finding:
        enough = self.min_samples - 0.5  # samples fade from the first second on
        counted = [each for each in rated if each is not None and (each.pinned or each.samples >= enough)]
        if not counted:
            return CLEAR
        if self.below is not None:
            out = min(counted, key=_points)
            return _hit("bad", out, self._own(-out.points)) if out.points <= self.below else CLEAR
        out = max(counted, key=_points)
        good = self.above is not None and out.points >= self.above
        return _hit("good", out, self._own(-out.points)) if good else CLEAR

    async def _read(self, mail: Mail, tools: Tools, *, whole: bool) -> _Read:
        """The records by kind, read in one go and once a message. Raises StoreDown."""
        if whole:
            keys = await all_rating_keys(mail, tools)
        else:
            key = await rating_key_of(self.of, mail, tools)  # type: ignore[arg-type]  # `any` is whole
            keys = (key,) if key else ()
        if not keys:
            return {}
        read = await tools.store.ratings.read(keys, now=tools.clock.wall())
        return {key.partition(":")[0]: each for key, each in zip(keys, read, strict=True)}

    def _own(self, score: float) -> float:
        """The finding's own score: against the mail above zero."""
        return min(max(score * self.weight, -self.most), self.most)


def _points(rating: Rating) -> float:
    return rating.points


def _hit(reason: str, rating: Rating, score: float) -> Hit:
    why = printable(rating.reason, 200)
    values = {"rating": f"{rating.points:.1f}", "rating_of": rating.key, "rating_reason": why}
    rests_on = "set by a person" if rating.pinned else f"{rating.samples:.0f} samples"
    said = f"{rating.key} {rating.points:.1f}, {rests_on}"
    return Hit(reason, f"{said}: {why}" if why else said, values, round(score, 2))
