"""What lasts for one message at the milter."""

import asyncio
from typing import Final

from milters.wire import ProtocolError
from postward import eager
from postward.address import Address
from postward.carried import CarriedSpf
from postward.derive.spf import SpfResult
from postward.mail import HeaderField, Mail
from postward.rules.judge import Case
from postward.rules.judgement import Judgement
from postward.stage import Stage

MAX_FIELDS: Final = 2_000
MAX_HEADER_OCTETS: Final = 256_000
MAX_RECIPIENTS: Final = 50_000  # far above Postfix's smtpd_recipient_limit of 1,000


class Message:
    """The facts, recipients and header of one message, and its case before the rules."""

    __slots__ = (
        "_octets",
        "_spent",
        "case",
        "discarded",
        "headers",
        "mail",
        "paths",
        "quarantined_by",
        "recipients",
        "too_much",
    )

    def __init__(self, case: Case) -> None:
        self.case = case
        self.mail = Mail()
        self.recipients: list[Address] = []
        self.paths: list[bytes] = []
        """The recipients as the MTA spelled them."""
        self.discarded: list[bytes] = []
        """Those of `paths` for whom the message is thrown away."""
        self.quarantined_by = ""
        """The rule or threshold for which it goes to the hold queue, if so."""
        self.headers: list[HeaderField] = []
        self.too_much = False
        """More header came than a message may have; none of it is kept."""
        self._octets = 0
        self._spent = 0.0

    @property
    def begun(self) -> bool:
        """Whether it has a sender."""
        return self.mail.stage >= Stage.MAIL

    @property
    def all_discarded(self) -> bool:
        """Whether no recipient is left who gets it."""
        return bool(self.discarded) and len(self.discarded) == len(self.paths)

    def add_recipient(self, recipient: Address, path: bytes) -> None:
        """An accepted recipient. Raises ProtocolError when there are absurdly many."""
        if len(self.paths) >= MAX_RECIPIENTS:
            raise ProtocolError(f"more than {MAX_RECIPIENTS} recipients")
        self.recipients.append(recipient)
        self.paths.append(path)

    def add_header(self, field: HeaderField) -> None:
        """One more field, as long as memory is bounded (THREATS B4)."""
        self._octets += len(field.name) + len(field.value)
        if self._octets > MAX_HEADER_OCTETS or len(self.headers) >= MAX_FIELDS or self.too_much:
            self.too_much = True
            self.headers.clear()
            return
        self.headers.append(field)

    async def judge(self, mail: Mail, deadline: float) -> Judgement:
        """Ask the rules; all waiting for one message together takes `deadline` seconds at most."""
        clock = self.case.tools.clock
        began = clock.monotonic()
        judgement = await self.case.judge(mail, max(deadline - self._spent, 0.0))
        self._spent += clock.monotonic() - began
        return judgement

    async def spf(
        self, looking: eager.Ready[SpfResult] | asyncio.Task[SpfResult], deadline: float
    ) -> CarriedSpf:
        """The SPF result for our own field; temperror when it is not there in time."""
        if isinstance(looking, asyncio.Task):
            done, _ = await asyncio.wait({looking}, timeout=max(deadline - self._spent, 0.0))
            if not done:
                return CarriedSpf("temperror", "mailfrom", self.mail.sender.text, "no answer in time")
        result = looking.result() if isinstance(looking, asyncio.Task) else looking.value
        return CarriedSpf(result.result, result.identity, result.value, result.problem)
