"""The recipients of one message: what was found about each, and what it led to."""

from postward.address import Address
from postward.decision import Decision, Defer, Discard, Hold, Reject
from postward.mail import Mail
from postward.rules.consequence import Tally
from postward.rules.looks import Found
from postward.rules.outcomes import Weight
from postward.stage import Stage

_MOST = 1_000  # Postfix's smtpd_recipient_limit; further ones are judged but not remembered


class Recipient:
    """What is remembered of one recipient: looks that were about it, and what they led to.

    `refused`: it does not get the mail, so it has no part in what happens to the message.
    """

    __slots__ = ("accepted_by", "address", "found", "hits", "own_score", "refused", "score")

    def __init__(self, address: Address) -> None:
        self.address = address
        self.refused = False
        self.found: dict[int, Found] = {}
        self.score = 0.0
        self.own_score = 0.0
        self.hits: tuple[tuple[str, float], ...] = ()
        self.accepted_by = ""

    def remember(self, tally: Tally, decision: Decision) -> None:
        """Keep what the rules came to."""
        self.refused = isinstance(decision, Reject | Defer | Hold | Discard)
        scored = [ruling for ruling in tally.rulings if ruling.outcome.score]
        self.score = tally.score
        self.own_score = sum(each.outcome.score for each in scored if each.rule.per_recipient)
        self.hits = tuple((each.rule.name, each.outcome.score) for each in scored)
        self.accepted_by = tally.by if tally.weight is Weight.ACCEPT else ""


class Recipients:
    """All that were asked about, in order."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[str, Recipient] = {}

    @property
    def any(self) -> bool:
        """Whether one was asked about."""
        return bool(self._held)

    def meet(self, mail: Mail) -> Recipient | None:
        """What is remembered of the recipient that `mail` asks about; None at another stage."""
        if mail.stage is not Stage.RCPT:
            return None
        key = mail.recipient.text
        held = self._held.get(key)
        if held is None:
            held = Recipient(mail.recipient)
            if len(self._held) < _MOST:
                self._held[key] = held
        return held

    def kept(self) -> list[Recipient]:
        """Those that were not refused."""
        return [each for each in self._held.values() if not each.refused]

    def accepted(self) -> tuple[Address, ...]:
        """The addresses of those that were not refused."""
        return tuple(each.address for each in self.kept())
