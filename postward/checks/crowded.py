"""Has the client's own network used up its share of DNS look-ups?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from postward.checks import Cost, Looked
from postward.finding import CLEAR, Hit
from postward.mail import Mail
from postward.tools import Tools


@dataclass(frozen=True, slots=True)
class Crowded:
    """Hit when look-ups for this message were refused, or had to wait for more than half a second,
    because the client's network (a /24, IPv6 a /48) has too many of them under way.

    Then other checks could not tell, and that is the network's own doing: one that knocks many times at
    once with names whose servers never answer must not gain by it. Ask it to come again (451); nobody
    loses mail by that, nor do neighbours of such a client. It is asked after all look-ups.
    """

    name: ClassVar[str] = "crowded"
    cost: ClassVar[Cost] = Cost.LATE
    reasons: ClassVar[Mapping[str, str]] = {"crowded": "Too many look-ups are under way for its network."}
    says: ClassVar[Mapping[str, str]] = {}

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"recipient"})  # each is another attempt, with look-ups of its own

    def look(self, mail: Mail, tools: Tools) -> Looked:
        return Hit("crowded") if tools.asker.crowded else CLEAR
