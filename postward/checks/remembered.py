"""Is the client on a list that rules put clients on by themselves?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from postward.checks import Cost, Looked
from postward.derive.seen_key import key_of_listed
from postward.finding import CLEAR, Finding, Hit, Unsure
from postward.mail import Mail
from postward.network import cidr_of, holder_of
from postward.state import StoreDown
from postward.tools import Tools


@dataclass(frozen=True, slots=True)
class Remembered:
    """Hit while the client stands on an automatic list, where a rule with `remember:` has put it.

    The lists keep themselves: an entry ends when its time is over. `network` asks for any client of
    the same /24 or /64. A client of IPv6 counts by its /64, where it can change its address at will.
    """

    name: ClassVar[str] = "remembered"
    cost: ClassVar[Cost] = Cost.RECALL
    reasons: ClassVar[Mapping[str, str]] = {"listed": "A rule has put it on the list."}
    says: ClassVar[Mapping[str, str]] = {
        "listed_by": "The rule that put it there last.",
        "listed_times": "How often that happened.",
    }

    list: Annotated[
        str, Field(pattern="^[a-z0-9][a-z0-9_-]{0,63}$", description="The name given with `remember:`.")
    ]
    of: Annotated[Literal["client", "network"], Field(description="What is looked up.")] = "client"
    times: Annotated[
        int, Field(ge=1, le=1_000_000, description="How often it must have been put there, at least.")
    ] = 1

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"client_address"})

    def look(self, mail: Mail, tools: Tools) -> Looked:
        address = mail.client_address
        if address is None:
            return CLEAR
        what = holder_of(address) if self.of == "client" else cidr_of(address)
        return self._recall(what, tools)

    async def _recall(self, what: str, tools: Tools) -> Finding:
        try:
            seen = await tools.store.seen.find(key_of_listed(self.list, what), now=tools.clock.wall())
        except StoreDown as error:
            return Unsure(f"store: {error}")
        if seen is None or seen.times < self.times:
            return CLEAR
        values = {"listed_by": seen.value, "listed_times": str(seen.times)}
        return Hit("listed", f"{self.list}: {what}, {seen.times} times, by {seen.value}", values)
