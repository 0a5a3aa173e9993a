"""The milter protocol's words -> facts, the same facts that the policy protocol tells.

Octets that are no UTF-8 are kept as surrogates.
"""

from collections.abc import Mapping
from typing import Any, Final

from milters.events import FAMILY_INET, FAMILY_INET6, FAMILY_UNIX, Connect, Header, Helo, MailFrom, RcptTo
from milters.wire import ProtocolError
from postward.address import Address, parse
from postward.helo import neutered
from postward.mail import HeaderField, IPAddress
from postward.network import address_of

Macros = Mapping[str, str]
Facts = dict[str, Any]
_MAX_SIZE_DIGITS: Final = 20  # RFC 1870 section 3


def text(octets: bytes) -> str:
    """Octets as text; what is no UTF-8 is kept as surrogates."""
    return octets.decode("utf-8", "surrogateescape")


def is_local(event: Connect, macros: Macros) -> bool:
    """Whether this is mail from sendmail(1) that cleanup(8) tells of as if it came by SMTP.

    Such mail has a queue id from the start (smtpd knows it from DATA on only), or where macros are
    not told on demand, no port and no listener.
    """
    if "i" in macros:
        return True
    return event.port == 0 and "daemon_name" not in macros and event.address in (b"127.0.0.1", b"::1", b"")


def connect_facts(event: Connect, macros: Macros) -> Facts:
    """Who the client is; both names as Postfix sees them, `unknown` where it does not."""
    local = is_local(event, macros) or event.family == FAMILY_UNIX
    address = None if local else _address(event)
    name, unverified = _names(event, macros)
    return {
        "client_address": address,
        "client_name": name,
        "reverse_client_name": unverified,
        "client_port": event.port,
        "listener": macros.get("daemon_name", ""),
    }


def helo_facts(event: Helo | None, macros: Macros) -> Facts:
    """What the client called itself, and its TLS; `None` for a client that said no HELO."""
    return {
        "helo_name": neutered(text(event.name)) if event is not None else "",
        "encryption_protocol": macros.get("tls_version", ""),
        "encryption_cipher": macros.get("cipher", ""),
        "ccert_subject": macros.get("cert_subject", ""),
    }


def mail_facts(event: MailFrom, macros: Macros) -> Facts:
    """Envelope sender, login and announced size."""
    return {
        "sender": parse(text(event.path)),
        "sasl_username": macros.get("auth_authen", ""),
        "sasl_method": macros.get("auth_type", ""),
        "size": _size(event.parameters),
    }


def recipient(event: RcptTo) -> Address:
    """The recipient that is asked about."""
    return parse(text(event.path))


def data_facts(recipients: tuple[Address, ...], queue_id: str) -> Facts:
    """All accepted recipients and the queue id."""
    return {"recipients": recipients, "recipient_count": len(recipients), "queue_id": queue_id}


def header_field(event: Header, leading_space: bool) -> HeaderField:
    """A field as it was in the message: with its leading space, folds as CRLF."""
    value = event.value
    if b"\n" in value:
        value = value.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return HeaderField(event.name, value if leading_space else b" " + value)


def _address(event: Connect) -> IPAddress:
    """The client's. Raises ProtocolError: a client without one is not this host, but nobody."""
    address = None
    if event.family in (FAMILY_INET, FAMILY_INET6):
        address = address_of(text(event.address).removeprefix("IPv6:"))
    if address is None:
        raise ProtocolError("a client without an address")
    return address


def _names(event: Connect, macros: Macros) -> tuple[str, str]:
    """The verified and the unverified client name.

    Postfix says `[192.0.2.1]` in the event for a client that it has no verified name for.
    """
    said = text(event.name)
    name = macros.get("client_name") or ("unknown" if said.startswith("[") else said)
    unverified = macros.get("client_ptr")
    if not unverified:
        before, bracket, _ = macros.get("_", "").partition(" [")  # "host.example [192.0.2.1] (may be forged)"
        unverified = before if bracket else name
    return name, unverified


def _size(parameters: tuple[bytes, ...]) -> int:
    for parameter in parameters:
        word, _, value = parameter.partition(b"=")
        if word.upper() == b"SIZE" and value.isdigit() and len(value) <= _MAX_SIZE_DIGITS:
            return int(value)
    return 0
