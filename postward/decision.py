"""What the rules say should happen to a mail. Each door spells these in its own protocol's words."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Reply:
    """An SMTP reply to the client: `550`, `5.7.1` (RFC 3463) and one line of printable ASCII."""

    code: int
    enhanced: str
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced} {self.text}"


@dataclass(frozen=True, slots=True)
class Continue:
    """Nothing against it so far; whoever comes next decides."""


@dataclass(frozen=True, slots=True)
class Accept:
    """An admin's word that this mail passes: no further rule applies to it."""

    why: str


@dataclass(frozen=True, slots=True)
class Reject:
    """Refuse for good (5xx)."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Defer:
    """Refuse for now (4xx): the client keeps the mail and tries again."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Hold:
    """Refuse for now (450) until a person has looked at the sender domain `domain`; see docs/adr/0002."""

    reply: Reply
    domain: str


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Take the mail and put it on Postfix's hold queue."""

    why: str


@dataclass(frozen=True, slots=True)
class Discard:
    """Say yes and throw the mail away."""

    why: str


CONTINUE = Continue()

Decision = Continue | Accept | Reject | Defer | Hold | Quarantine | Discard


@dataclass(frozen=True, slots=True)
class AddHeader:
    """Insert a field so that it stands as number `index` from the top (0: first)."""

    name: str
    value: str
    index: int = 0


@dataclass(frozen=True, slots=True)
class ChangeHeader:
    """Replace the value of the `occurrence`-th (from 1) field called `name`."""

    name: str
    value: str
    occurrence: int = 1


@dataclass(frozen=True, slots=True)
class DropHeader:
    """Remove the `occurrence`-th (from 1) field called `name`."""

    name: str
    occurrence: int = 1


@dataclass(frozen=True, slots=True)
class ReplaceBody:
    """Put another body in place of the message's own."""

    body: bytes = field(repr=False)


Edit = AddHeader | ChangeHeader | DropHeader | ReplaceBody
