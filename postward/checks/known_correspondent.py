"""Has a user of ours written to this sender before?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from postward.checks import Cost, Looked
from postward.derive.correspondent import any_key, is_ours, pair_key
from postward.finding import CLEAR, Finding, Hit, Unsure
from postward.mail import Mail
from postward.state import StoreDown
from postward.tools import Tools

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class KnownCorrespondent:
    """Hit when the recipient has sent mail to this very sender address, as far as it is remembered.

    Learned from authenticated mail and from mail of local clients, for 400 days after the last. A
    sender is easily forged: let this spare a delay, not a fault. The null sender, and a sender in a
    domain of the site, is nobody's correspondent.
    """

    name: ClassVar[str] = "known_correspondent"
    cost: ClassVar[Cost] = Cost.RECALL
    reasons: ClassVar[Mapping[str, str]] = {"known": "A user of ours has written to the sender."}
    says: ClassVar[Mapping[str, str]] = {}

    anybody: Annotated[
        bool, Field(description="It is enough that any user of ours has written to the sender.")
    ] = False

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"sender"} if self.anybody else {"sender", "recipient"})

    def look(self, mail: Mail, tools: Tools) -> Looked:
        sender = mail.sender
        if sender.domain is None or is_ours(sender, tools.own_domains):
            return CLEAR
        key = any_key(sender) if self.anybody else pair_key(sender, mail.recipient)
        return self._recall(key, tools) if key else CLEAR

    async def _recall(self, key: str, tools: Tools) -> Finding:
        now = tools.clock.wall()
        try:
            seen = await tools.store.seen.find(key, now=now)
        except StoreDown as error:
            return Unsure(f"store: {error}")
        if seen is None:
            return CLEAR
        return Hit("known", f"written to {seen.times} times, {max(now - seen.last, 0) / _DAY:.0f} days ago")
