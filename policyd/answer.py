"""From a decision to the policy protocol's action (access(5), SMTPD_POLICY_README).

Never `OK`: it would end the restriction list and could let a relay through. A deferral is an
explicit 4xx reply: it ends the list there, and the reply is the one that the rule gave.
"""

from typing import assert_never

from postward.carried import FIELD_NAME
from postward.decision import Accept, Continue, Decision, Defer, Discard, Hold, Quarantine, Reject

MAX_REPLY = 510  # octets of an SMTP reply line without its CRLF (RFC 5321 4.5.3.1.5)


def action_of(decision: Decision, findings: str = "") -> str:
    """The action for `decision`; `findings` is the signed field to prepend where the mail goes on."""
    match decision:
        case Continue() | Accept():
            return _prepend(findings) if findings else "DUNNO"
        case Reject(reply) | Defer(reply) | Hold(reply):
            return str(reply)[:MAX_REPLY]
        case Quarantine(why):
            # One action an answer: where the findings go on, they tell the milter to put it on hold.
            return _prepend(findings) if findings else f"HOLD {why}"
        case Discard(why):
            return f"DISCARD {why}"
        case _:
            assert_never(decision)


def _prepend(findings: str) -> str:
    return f"PREPEND {FIELD_NAME}: {findings}"
