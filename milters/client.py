"""The MTA's side of the milter protocol, blocking: what tests, bench and replay speak to a milter.

It leaves out the steps and does not wait for the replies that the milter negotiated away, as Postfix
does, and sends macros before the command they belong to.
"""

import socket
from collections import deque
from typing import Final, Self

from milters import actions
from milters.actions import SILENCE, Action, Answer, Negotiated, Reply, ReplyCode
from milters.events import (
    Abort,
    Body,
    Connect,
    Data,
    EndOfHeaders,
    Event,
    Header,
    Helo,
    Macros,
    MailFrom,
    Negotiate,
    Quit,
    QuitNewConnection,
    RcptTo,
    Unknown,
    encode,
)
from milters.wire import VERSION, Decoder, Offer, Packet, ProtocolError, Steps, packet

_LEFT_OUT: Final[dict[type, int]] = {
    Connect: Steps.NO_CONNECT,
    Helo: Steps.NO_HELO,
    MailFrom: Steps.NO_MAIL,
    RcptTo: Steps.NO_RCPT,
    Data: Steps.NO_DATA,
    Header: Steps.NO_HEADERS,
    EndOfHeaders: Steps.NO_END_OF_HEADERS,
    Body: Steps.NO_BODY,
    Unknown: Steps.NO_UNKNOWN,
}
_SILENT: Final[dict[type, int]] = {
    Connect: Steps.SILENT_CONNECT,
    Helo: Steps.SILENT_HELO,
    MailFrom: Steps.SILENT_MAIL,
    RcptTo: Steps.SILENT_RCPT,
    Data: Steps.SILENT_DATA,
    Header: Steps.SILENT_HEADER,
    EndOfHeaders: Steps.SILENT_END_OF_HEADERS,
    Body: Steps.SILENT_BODY,
    Unknown: Steps.SILENT_UNKNOWN,
}
_NEVER_ANSWERED: Final = (Macros, Abort, Quit, QuitNewConnection)
_READ: Final = 65_536


class MilterClient:
    """One connection to a milter."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._decoder = Decoder()
        self._packets: deque[Packet] = deque()
        self.terms = Negotiated(VERSION, 0, 0)

    @classmethod
    def connect(cls, address: str | tuple[str, int], timeout: float = 30.0) -> Self:
        """Connect to a unix socket's path or a (host, port); `timeout` in seconds for each wait."""
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(timeout)
            sock.connect(address)
        except OSError:
            sock.close()
            raise
        return cls(sock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close without a word, as a crashed MTA does."""
        self._sock.close()

    def negotiate(
        self, version: int = VERSION, offered: int = Offer.ALL, steps: int = Steps.ALL
    ) -> Negotiated:
        """Offer all that Postfix does, and keep to what the milter wants."""
        self.send(Negotiate(version, offered, steps))
        terms = self._action()
        if not isinstance(terms, Negotiated):
            raise ProtocolError(f"{terms} instead of a negotiation")
        self.terms = terms
        return terms

    def ask(self, event: Event) -> Answer:
        """Send an event, if it is wanted, and read its answer, if there is one."""
        kind = type(event)
        if self.terms.steps & _LEFT_OUT.get(kind, 0):
            return SILENCE
        self.send(event)
        if kind in _NEVER_ANSWERED or self.terms.steps & _SILENT.get(kind, 0):
            return SILENCE
        return self.answer()

    def send(self, event: Event) -> None:
        """Send an event and wait for nothing."""
        self.send_octets(packet(*encode(event)))

    def send_octets(self, octets: bytes) -> None:
        """Send octets as they are: for what is no event."""
        self._sock.sendall(octets)

    def answer(self) -> Answer:
        """The next changes and their reply. Raises EOFError when the milter closes instead."""
        said: list[Action] = []
        while True:
            said.append(self._action())
            last = said[-1]
            if isinstance(last, ReplyCode) or (isinstance(last, Reply) and last is not Reply.PROGRESS):
                return tuple(said)

    def _action(self) -> Action:
        while not self._packets:
            octets = self._sock.recv(_READ)
            if not octets:
                raise EOFError("the milter closed the connection")
            self._packets.extend(self._decoder.feed(octets))
        return actions.decode(*self._packets.popleft())
