"""What we ask of the MTA: only the steps and replies that the rules and our own fields need.

Each step that Postfix does not send, and each reply that it does not wait for, is time that every
message saves. With no rules and no fields of our own nothing is asked for but the end of message.
"""

from dataclasses import dataclass
from typing import Final

from milters.actions import Negotiated
from milters.events import (
    Body,
    Connect,
    Data,
    EndOfHeaders,
    Header,
    Helo,
    MailFrom,
    Negotiate,
    RcptTo,
    Unknown,
)
from milters.settings import MilterSettings
from milters.wire import OLDEST_VERSION, VERSION, Offer, ProtocolError, Steps
from postward.rules.ruleset import Ruleset
from postward.stage import Door, Stage

_EVERY_STEP_OUT: Final = (
    Steps.NO_CONNECT
    | Steps.NO_HELO
    | Steps.NO_MAIL
    | Steps.NO_RCPT
    | Steps.NO_DATA
    | Steps.NO_HEADERS
    | Steps.NO_END_OF_HEADERS
    | Steps.NO_BODY
    | Steps.NO_UNKNOWN
)
_ALWAYS: Final = (
    Steps.NO_END_OF_HEADERS
    | Steps.NO_BODY  # no check reads the body
    | Steps.NO_UNKNOWN
    | Steps.SILENT_HEADER
    | Steps.SILENT_END_OF_HEADERS
    | Steps.SILENT_BODY
    | Steps.SILENT_UNKNOWN
)
_SILENT: Final = {
    Stage.CONNECT: Steps.SILENT_CONNECT,
    Stage.HELO: Steps.SILENT_HELO,
    Stage.MAIL: Steps.SILENT_MAIL,
    Stage.RCPT: Steps.SILENT_RCPT,
    Stage.DATA: Steps.SILENT_DATA | Steps.NO_DATA,
}
_SILENT_EVENTS: Final[dict[type, int]] = {
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
# `i` at CONNECT is known for mail from sendmail(1) only, which tells it apart. No list may be empty:
# Postfix would take its own, longer one.
MACROS: Final = {
    0: "i {daemon_name} {client_name} {client_ptr} _",
    1: "{tls_version} {cipher} {cert_subject}",
    2: "{auth_type} {auth_authen}",
    3: "i",
    4: "i",
    5: "i",  # end of message
    6: "i",  # end of headers; Postfix sends these with each field
}
"""The macros that we want, by SMFIM_* stage."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the rules and settings need. `watch` is False when no event but the end matters at all."""

    watch: bool
    headers: bool
    stages: frozenset[Stage]
    actions: int
    steps: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What was agreed with the MTA: the actions granted, and the events that get no reply."""

    answer: Negotiated
    leading_space: bool
    silent: frozenset[type]

    def grants(self, action: int) -> bool:
        """Whether the MTA lets us do `action` (wire.Offer)."""
        return bool(self.answer.actions & action)


def plan(settings: MilterSettings, rules: Ruleset) -> Plan:
    """What must be asked of the MTA for these settings and rules."""
    stages = rules.stages(Door.MILTER)
    headers = settings.stamps or "headers" in rules.needs(Door.MILTER)
    if not stages and not headers:
        return Plan(False, False, stages, 0, _EVERY_STEP_OUT | _ALWAYS)
    steps = _ALWAYS | (Steps.LEADING_SPACE if headers else Steps.NO_HEADERS)
    for stage, silent in _SILENT.items():
        if stage not in stages:
            steps |= silent
    actions = Offer.SET_MACROS
    if headers or Stage.EOM in stages:
        actions |= Offer.ADD_HEADERS | Offer.CHANGE_HEADERS
    if stages:
        actions |= Offer.QUARANTINE
    if Stage.EOM in stages:
        actions |= Offer.CHANGE_BODY
    if Stage.RCPT in stages:
        actions |= Offer.DELETE_RECIPIENTS
    return Plan(True, headers, stages, actions, steps)


def agree(offer: Negotiate, plan: Plan) -> Terms:
    """Our answer to what the MTA offers. Raises ProtocolError when that is too little."""
    if offer.version < OLDEST_VERSION:
        raise ProtocolError(f"milter protocol version {offer.version}")
    needed = plan.actions & ~(Offer.SET_MACROS | Offer.QUARANTINE)
    if needed & ~offer.actions:
        raise ProtocolError(f"the MTA offers actions {offer.actions:#x}, the rules need {needed:#x}")
    actions, steps = plan.actions & offer.actions, plan.steps & offer.steps
    wanted = tuple(MACROS.items()) if actions & Offer.SET_MACROS else ()
    answer = Negotiated(min(offer.version, VERSION), actions, steps, wanted)
    silent = frozenset(kind for kind, flag in _SILENT_EVENTS.items() if steps & flag)
    return Terms(answer, bool(steps & Steps.LEADING_SPACE), silent)
