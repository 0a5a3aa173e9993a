"""Has this client network tried this sender and recipient before, long enough ago? (classic greylisting)"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Annotated, ClassVar

from pydantic import Field

from postward.checks import Cost
from postward.duration import DURATION
from postward.finding import Clear, Finding, Hit, Unsure
from postward.mail import Mail
from postward.network import network_of
from postward.state import StoreDown
from postward.tools import Tools

_NEEDS = frozenset({"client_address", "sender", "recipient"})


@dataclass(frozen=True, slots=True)
class Greylisted:
    """Hit at the first attempt of a (client network, sender, recipient), clear after a fair retry.

    The client counts by its /24 or /64, so that a pool of neighbouring servers passes. Meant to be
    asked only `when: [suspicious]`: greylisting everybody delays log-in links for nothing.
    """

    name: ClassVar[str] = "greylist"
    cost: ClassVar[Cost] = Cost.STATE
    reasons: ClassVar[Mapping[str, str]] = {"wait": "Not known yet, or tried again too early."}
    says: ClassVar[Mapping[str, str]] = {"wait": "Seconds until a retry will pass."}

    delay: Annotated[int, Field(ge=1, le=86_400, description="How long a retry must wait."), DURATION] = 300
    window: Annotated[int, Field(ge=60, le=2_592_000, description="How long a retry may take."), DURATION] = (
        172_800
    )
    keep: Annotated[
        int, Field(ge=60, le=31_536_000, description="How long a pass is remembered."), DURATION
    ] = 3_024_000

    @property
    def needs(self) -> frozenset[str]:
        return _NEEDS

    async def look(self, mail: Mail, tools: Tools) -> Finding:
        address = mail.client_address
        if address is None:
            return Clear("sendmail(1)")
        sender, recipient = mail.sender.text.lower(), mail.recipient.text.lower()
        # With its length, because both may hold any character: no other pair has this key.
        key = f"{network_of(address)}|{len(sender)}|{sender}|{recipient}"
        now = tools.clock.wall()
        try:
            meeting = await tools.store.greylist.meet(
                key, now=now, delay=self.delay, window=self.window, keep=self.keep
            )
        except StoreDown as error:
            return Unsure(f"store: {error}")
        if meeting.passed:
            return Clear(f"attempt {meeting.attempts}")
        wait = ceil(meeting.wait)
        return Hit("wait", f"attempt {meeting.attempts}, wait {wait} s", {"wait": str(wait)})
