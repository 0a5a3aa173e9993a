"""From the policy protocol's attributes to facts.

Postfix evaluates client, HELO and sender restrictions at RCPT (`smtpd_delay_reject`), so one
request tells everything up to its `protocol_state`. Other attributes may be absent, empty or `0`.
"""

from collections.abc import Mapping

from policyd.wire import ProtocolError
from postward.address import parse as parse_address
from postward.helo import neutered
from postward.mail import Mail
from postward.network import address_of
from postward.stage import Stage

_MAX_QUEUE_ID = 64  # Postfix's have 10 to 20 characters
STAGES: dict[str, Stage] = {
    "CONNECT": Stage.CONNECT,
    "EHLO": Stage.HELO,
    "HELO": Stage.HELO,
    "MAIL": Stage.MAIL,
    "RCPT": Stage.RCPT,
    "DATA": Stage.DATA,
    "BDAT": Stage.DATA,
    "END-OF-MESSAGE": Stage.EOM,
    # Commands outside a message: what is known is the client and its HELO.
    "VRFY": Stage.HELO,
    "ETRN": Stage.HELO,
    "XCLIENT": Stage.HELO,
    "XFORWARD": Stage.HELO,
    "AUTH": Stage.HELO,
    "STARTTLS": Stage.HELO,
    "BURL": Stage.DATA,
    "NOOP": Stage.HELO,
    "QUIT": Stage.HELO,
    "RSET": Stage.HELO,
    "UNKNOWN": Stage.CONNECT,
}


def stage_of(attributes: Mapping[str, str]) -> Stage:
    """The stage of a request. Raises ProtocolError for a state that is not known."""
    state = attributes.get("protocol_state", "")
    stage = STAGES.get(state)
    if stage is None:
        raise ProtocolError("protocol_state is missing" if not state else "an unknown protocol_state")
    return stage


def mail_of(attributes: Mapping[str, str]) -> Mail:
    """The facts of one request. Raises ProtocolError: no state or no client address."""
    get = attributes.get
    stage = stage_of(attributes)
    client = address_of(get("client_address", ""))
    if client is None:  # None means mail of this host, and that is never asked about here
        raise ProtocolError("client_address is missing or no address")
    known: dict[str, object] = {
        "client_address": client,
        "client_name": get("client_name", "unknown"),
        "reverse_client_name": get("reverse_client_name", "unknown"),
        "client_port": _number(get("client_port", "")),
        "listener": get("policy_context", ""),
        "instance": get("instance", ""),
    }
    if stage is Stage.CONNECT:
        return Mail(stage, known)
    known["helo_name"] = neutered(get("helo_name", ""))
    known["protocol_name"] = get("protocol_name", "")
    known["encryption_protocol"] = get("encryption_protocol", "")
    known["encryption_cipher"] = get("encryption_cipher", "")
    known["ccert_subject"] = get("ccert_subject", "")
    if stage is Stage.HELO:
        return Mail(stage, known)
    known["sender"] = parse_address(get("sender", ""))
    known["sasl_username"] = get("sasl_username", "")
    known["sasl_method"] = get("sasl_method", "")
    known["size"] = _number(get("size", ""))
    if stage is Stage.RCPT:
        known["recipient"] = parse_address(get("recipient", ""))
    elif stage >= Stage.DATA:
        known["recipient_count"] = _number(get("recipient_count", ""))
        known["queue_id"] = _queue_id(get("queue_id", ""))
    return Mail(stage, known)


def _queue_id(text: str) -> str:
    """Letters and digits (Postfix: postconf(5) enable_long_queue_ids); empty for anything else."""
    return text if text.isascii() and text.isalnum() and len(text) <= _MAX_QUEUE_ID else ""


def _number(text: str) -> int:
    """A count; 0 for an attribute that is empty, absent or no number of at most 18 digits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0
