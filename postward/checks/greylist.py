"""Has this client tried this sender and recipient before, long enough ago? (greylisting)"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Annotated, ClassVar

from pydantic import Field

from postward.checks import Cost
from postward.derive.identity import greylist_key
from postward.duration import DURATION
from postward.finding import Clear, Finding, Hit, Unsure
from postward.mail import Mail
from postward.state import StoreDown
from postward.tools import Tools

_NEEDS = frozenset({"client_address", "helo_name", "sender", "recipient"})
_COUNTED = "greylist counted"  # in the message's memo: its delivery counts for the client


@dataclass(frozen=True, slots=True)
class Greylisted:
    """Hit at the first attempt of a (client, sender, recipient), clear after a fair retry.

    A client counts by the organizational domain of its verified name, else by the sender's domain
    where SPF vouches for it, else by its /24 or /64: so pools of addresses pass. Meant to be asked
    only `when: [suspicious]`: greylisting everybody delays log-in links for nothing.
    """

    name: ClassVar[str] = "greylist"
    cost: ClassVar[Cost] = Cost.DELAY
    reasons: ClassVar[Mapping[str, str]] = {"wait": "Not known yet, or tried again too early."}
    says: ClassVar[Mapping[str, str]] = {
        "wait": "Seconds until a retry will pass.",
        "wait_minutes": "The same in minutes, rounded up.",
        "retry_at": "When a retry will pass, such as `2026-11-22 06:55 UTC`.",
    }

    delay: Annotated[int, Field(ge=1, le=86_400, description="How long a retry must wait."), DURATION] = 300
    window: Annotated[int, Field(ge=60, le=2_592_000, description="How long a retry may take."), DURATION] = (
        172_800
    )
    keep: Annotated[
        int, Field(ge=60, le=31_536_000, description="How long a pass is remembered."), DURATION
    ] = 3_024_000
    auto_allow: Annotated[
        int,
        Field(
            ge=0,
            le=1_000,
            description="After so many messages that passed, none of the client waits any more, until it "
            "has sent nothing for as long as `keep`. 0: each of them waits.",
        ),
    ] = 5

    @property
    def needs(self) -> frozenset[str]:
        return _NEEDS

    async def look(self, mail: Mail, tools: Tools) -> Finding:
        sender, recipient = mail.sender.text.lower(), mail.recipient.text.lower()
        client = await greylist_key(mail, tools)
        if not client:
            return Clear("sendmail(1)")
        now = tools.clock.wall()
        try:
            if self.auto_allow and (passed := await self._passed(client, tools, now)) >= self.auto_allow:
                self._count(client, tools, now)
                return Clear(f"{client} has passed {passed} times")
            # With its length, because both may hold any character: no other pair has this key.
            meeting = await tools.store.greylist.meet(
                f"{client}|{len(sender)}|{sender}|{recipient}",
                now=now,
                delay=self.delay,
                window=self.window,
                keep=self.keep,
            )
        except StoreDown as error:
            return Unsure(f"store: {error}")
        if meeting.passed:
            self._count(client, tools, now)
            return Clear(f"{client} attempt {meeting.attempts}")
        return _wait(ceil(meeting.wait), now, f"{client} attempt {meeting.attempts}")

    async def _passed(self, client: str, tools: Tools, now: float) -> int:
        """How many messages of the client have passed."""
        sighting = await tools.store.seen.find(f"greylist {client}", now=now)
        return sighting.times if sighting is not None else 0

    def _count(self, client: str, tools: Tools, now: float) -> None:
        """One more message has passed: once, however many its recipients are."""
        if self.auto_allow and tools.memo.get(_COUNTED) is None:
            tools.memo[_COUNTED] = True
            tools.store.seen.note(f"greylist {client}", now=now, keep=self.keep)


def _wait(seconds: int, now: float, said: str) -> Hit:
    minutes = ceil(seconds / 60)
    at = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(ceil((now + seconds) / 60) * 60))
    values = {"wait": str(seconds), "wait_minutes": str(minutes), "retry_at": at}
    return Hit("wait", f"{said}, wait {seconds} s", values)
