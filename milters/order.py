"""The order of events on one milter connection, as a table."""

from enum import Enum, auto
from typing import Final

from milters.events import (
    Abort,
    Body,
    Connect,
    Data,
    EndOfHeaders,
    EndOfMessage,
    Header,
    Helo,
    MailFrom,
    Negotiate,
    Quit,
    QuitNewConnection,
    RcptTo,
)


class State(Enum):
    """How far a connection has come."""

    NEW = auto()
    NEGOTIATED = auto()
    READY = auto()
    """The client is known, no message is under way."""
    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    HEADER = auto()
    BODY = auto()
    UNWATCHED = auto()
    """Nothing matters to us but the end of each message."""
    CLOSED = auto()

    __hash__ = object.__hash__  # members are single; Enum's own hash costs more than the rest of a step


_CONTENT: Final[dict[type, State]] = {
    Header: State.HEADER,
    EndOfHeaders: State.BODY,
    Body: State.BODY,
    EndOfMessage: State.READY,
}
_LEAVE: Final[dict[type, State]] = {Quit: State.CLOSED, QuitNewConnection: State.NEGOTIATED}
_MESSAGE_OVER: Final[dict[type, State]] = {**_LEAVE, Abort: State.READY}
# A second EHLO ends a transaction; Postfix tells of the HELO first and of the ABORT after it.
_BEFORE_CONTENT: Final[dict[type, State]] = {**_MESSAGE_OVER, Helo: State.READY}
# For each state the events that may come and the state that follows; Macros and Unknown change none.
# The MTA leaves steps out as negotiated, and a message without an accepted recipient has no RCPT.
ORDER: Final[dict[State, dict[type, State]]] = {
    State.NEW: {Negotiate: State.NEGOTIATED, Quit: State.CLOSED},
    State.NEGOTIATED: {**_LEAVE, Abort: State.NEGOTIATED, Connect: State.READY},
    State.READY: {**_MESSAGE_OVER, Connect: State.READY, Helo: State.READY, MailFrom: State.MAIL},
    State.MAIL: {**_BEFORE_CONTENT, **_CONTENT, RcptTo: State.RCPT, Data: State.DATA},
    State.RCPT: {**_BEFORE_CONTENT, **_CONTENT, RcptTo: State.RCPT, Data: State.DATA},
    State.DATA: {**_BEFORE_CONTENT, **_CONTENT},
    State.HEADER: {**_MESSAGE_OVER, **_CONTENT},
    State.BODY: {**_MESSAGE_OVER, Body: State.BODY, EndOfMessage: State.READY},
    State.UNWATCHED: {
        **dict.fromkeys((Connect, Helo, MailFrom, RcptTo, Data, *_CONTENT, Abort), State.UNWATCHED),
        **_LEAVE,
        QuitNewConnection: State.UNWATCHED,
    },
    State.CLOSED: {},
}
UNDER_WAY: Final = frozenset({State.MAIL, State.RCPT, State.DATA, State.HEADER, State.BODY})
"""A message has begun and has not ended."""
