"""Does this login, client or sender still have room in all of its windows?"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from postward.checks import Cost
from postward.finding import CLEAR, Clear, Finding, Hit, Unsure
from postward.mail import Mail
from postward.network import network_of
from postward.state import StoreDown, Window
from postward.tools import Tools

_LONGEST = 31 * 86_400
_OF: dict[str, str] = {"login": "sasl_username", "client": "client_address", "sender": "sender"}


@dataclass(frozen=True, slots=True)
class Limit:
    """Count against windows of time, all of them at once; hit when one is full.

    `messages` and `recipients` are booked at DATA, when the number is known and nothing was sent
    yet: refused mail is never charged. `attempts` are booked at each RCPT, against clients that
    guess addresses. Asked again about the same message, nothing is booked twice.
    """

    name: ClassVar[str] = "limit"
    cost: ClassVar[Cost] = Cost.STATE
    reasons: ClassVar[Mapping[str, str]] = {"full": "One of the windows has no room left."}
    says: ClassVar[Mapping[str, str]] = {
        "limit": "The limit that was reached.",
        "per": "Seconds of its window.",
        "used": "How much of it was used.",
        "wait": "Seconds until some of it is free again.",
    }

    of: Annotated[
        Literal["login", "client", "sender"],
        Field(description="Whose limit: a SASL login, a client network (/24, /64) or an envelope sender."),
    ]
    count: Annotated[Literal["messages", "recipients", "attempts"], Field(description="What is counted.")]
    windows: Annotated[
        tuple[Window, ...],
        Field(min_length=1, max_length=6, description="`limit` in any `seconds`, all at once."),
    ]

    def __post_init__(self) -> None:
        for window in self.windows:
            if window.limit < 1 or not 1 <= window.seconds <= _LONGEST:
                raise ValueError(f"a window needs a limit of 1 or more and 1 to {_LONGEST} seconds")

    @property
    def needs(self) -> frozenset[str]:
        counted = "recipient" if self.count == "attempts" else "recipient_count"
        return frozenset({_OF[self.of], counted, "instance"})

    async def look(self, mail: Mail, tools: Tools) -> Finding:
        whose = self._whose(mail)
        if not whose:
            return Clear(f"no {self.of}")
        instance, amount = mail.instance, 1
        if self.count == "attempts":
            instance = f"{instance}|{mail.recipient.text}" if instance else ""
        elif self.count == "recipients":
            amount = mail.recipient_count
        try:
            counts = await tools.store.counters.hit(
                f"{self.of}|{self.count}|{whose}",
                self.windows,
                amount,
                now=tools.clock.wall(),
                instance=instance,
            )
        except StoreDown as error:
            return Unsure(f"store: {error}")
        for window, count in zip(self.windows, counts, strict=True):
            if not count.granted:
                values = {
                    "limit": str(window.limit),
                    "per": str(window.seconds),
                    "used": str(count.used),
                    "wait": str(ceil(count.free_in)),
                }
                return Hit("full", f"{whose}: {count.used} of {window.limit} in {window.seconds} s", values)
        return CLEAR

    def _whose(self, mail: Mail) -> str:
        match self.of:
            case "login":
                return mail.sasl_username.lower()
            case "client":
                address = mail.client_address
                return network_of(address) if address is not None else ""
            case "sender":
                return mail.sender.text.lower()
