"""What is known of one mail, stage by stage.

A `Mail` is frozen and grows: `mail.learn(Stage.RCPT, recipient=...)` gives a new one. Reading
a fact that is not known yet raises `NotKnownYet`; there is nothing to reset and nothing to
forget. Facts carry the names that Postfix uses for them in the policy protocol.

Promise: the same SMTP session gives equal facts whether it was read from the policy protocol or
from the milter protocol, as far as both of them tell.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar, overload

from postward.address import Address
from postward.stage import Door, Stage

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
T = TypeVar("T")


class NotKnownYet(LookupError):
    """A fact was read before its stage: a mistake in a check's `needs`, never in the mail."""


class Fact(Generic[T]):
    """One fact: where it becomes known at each door (`None`: that door never learns it)."""

    __slots__ = ("doc", "milter", "name", "policyd")

    def __init__(self, doc: str, *, policyd: Stage | None, milter: Stage | None) -> None:
        self.doc = doc
        self.policyd = policyd
        self.milter = milter
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, mail: None, owner: type) -> Self: ...
    @overload
    def __get__(self, mail: "Mail", owner: type) -> T: ...
    def __get__(self, mail: "Mail | None", owner: type) -> Self | T:
        if mail is None:
            return self
        try:
            value: T = mail.known[self.name]
        except KeyError:
            raise NotKnownYet(f"{self.name} is not known at stage {mail.stage.word}") from None
        return value

    def stage(self, door: Door) -> Stage | None:
        """The first stage at which `door` knows this fact, `None` when it never does."""
        return self.policyd if door is Door.POLICYD else self.milter


@dataclass(frozen=True, slots=True)
class HeaderField:
    """One field of the message header: `name` as sent, `value` raw after the colon.

    The value keeps its leading white space; folds are CRLF followed by white space, as they
    were on the wire (RFC 5322 2.2.3).
    """

    name: bytes
    value: bytes


def _at(stage: Stage) -> dict[str, Stage]:
    return {"policyd": stage, "milter": stage}


class Mail:
    """The facts of one mail so far. Equal facts and stage make equal mails."""

    __slots__ = ("known", "stage")

    client_address = Fact[IPAddress | None](
        "Address of the SMTP client; None for mail that came by sendmail(1).", **_at(Stage.CONNECT)
    )
    client_name = Fact[str]("Verified client name as Postfix sees it, or `unknown`.", **_at(Stage.CONNECT))
    reverse_client_name = Fact[str](
        "Unverified PTR name of the client as Postfix sees it, or `unknown`.", **_at(Stage.CONNECT)
    )
    client_port = Fact[int]("TCP port of the client, 0 when not told.", **_at(Stage.CONNECT))
    listener = Fact[str](
        "Which door of the server: `policy_context` of the policy service, `{daemon_name}` of the milter.",
        **_at(Stage.CONNECT),
    )
    instance = Fact[str](
        "Postfix's id of this message in the policy protocol: the same in all its requests.",
        policyd=Stage.CONNECT,
        milter=None,
    )
    helo_name = Fact[str]("What the client called itself; empty without HELO.", **_at(Stage.HELO))
    protocol_name = Fact[str]("`SMTP` or `ESMTP`; empty when not told.", policyd=Stage.HELO, milter=None)
    encryption_protocol = Fact[str]("TLS version, empty without TLS.", **_at(Stage.HELO))
    encryption_cipher = Fact[str]("TLS cipher, empty without TLS.", **_at(Stage.HELO))
    ccert_subject = Fact[str]("Subject of a verified client certificate, or empty.", **_at(Stage.HELO))
    sender = Fact[Address]("Envelope sender; the null address for bounces.", **_at(Stage.MAIL))
    sasl_username = Fact[str]("Login that was authenticated, or empty.", **_at(Stage.MAIL))
    sasl_method = Fact[str]("SASL mechanism, or empty.", **_at(Stage.MAIL))
    size = Fact[int](
        "Octets: what MAIL FROM announced (0: nothing); at end of message, where told, the real size.",
        **_at(Stage.MAIL),
    )
    recipient = Fact[Address]("The recipient that is being asked about.", **_at(Stage.RCPT))
    recipients = Fact[tuple[Address, ...]](
        "All recipients that were accepted, in order.", policyd=None, milter=Stage.DATA
    )
    recipient_count = Fact[int]("How many recipients were accepted.", **_at(Stage.DATA))
    queue_id = Fact[str]("Postfix's queue id.", **_at(Stage.DATA))
    headers = Fact[tuple[HeaderField, ...]](
        "The message header, top to bottom, without what policyd prepended.", policyd=None, milter=Stage.EOM
    )

    def __init__(self, stage: Stage = Stage.CONNECT, known: Mapping[str, Any] | None = None) -> None:
        self.stage = stage
        self.known: Mapping[str, Any] = known if known is not None else {}

    def learn(self, stage: Stage, **facts: Any) -> "Mail":
        """A mail that knows `facts` too and stands at `stage`."""
        return Mail(stage, {**self.known, **facts})

    def knows(self, fact: str) -> bool:
        """Whether the fact named `fact` can be read now."""
        return fact in self.known

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mail) and self.stage == other.stage and self.known == other.known

    __hash__ = None  # type: ignore[assignment]  # a growing description is no key

    def __repr__(self) -> str:
        return f"Mail({self.stage.word}, {dict(self.known)!r})"


FACTS: dict[str, Fact[Any]] = {name: fact for name, fact in vars(Mail).items() if isinstance(fact, Fact)}
