"""A mail that nobody sent: the facts of a message file and of a client, as both doors would learn them."""

import ipaddress
from dataclasses import dataclass, field

from postward.address import Address
from postward.mail import HeaderField, IPAddress, Mail
from postward.stage import Door, Stage
from postward.tools import Dns, Records

MAX_FIELDS = 2_000
MAX_HEADER = 262_144  # octets; what the milter takes too
_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who is said to send what to whom. `assumed` says what was not given and how it was guessed."""

    client: IPAddress
    client_name: str
    reverse_client_name: str
    helo: str
    sender: Address
    recipients: tuple[Address, ...]
    login: str
    listener: str
    assumed: tuple[str, ...] = field(default=())


def header_of(message: bytes) -> tuple[HeaderField, ...]:
    """The fields of a message's header, folds as CRLF, bounded; a line that is no field ends it."""
    fields: list[tuple[bytes, bytes]] = []
    for line in message[:MAX_HEADER].replace(b"\r\n", b"\n").split(b"\n"):
        if not line or len(fields) >= MAX_FIELDS:
            break
        if line[:1] in (b" ", b"\t") and fields:
            name, value = fields[-1]
            fields[-1] = (name, value + b"\r\n" + line)
            continue
        name, colon, value = line.partition(b":")
        if not colon or not name.strip():
            if fields or not line.startswith(b"From "):  # the separator of an mbox file is no field
                break
            continue
        fields.append((name, value))
    return tuple(HeaderField(name, value) for name, value in fields)


def first(headers: tuple[HeaderField, ...], *names: bytes) -> str:
    """The value of the first of `names` that the header has, or empty."""
    for wanted in names:
        for each in headers:
            if each.name.strip().lower() == wanted:
                return each.value.decode("utf-8", "surrogateescape").strip()
    return ""


async def names_of(client: IPAddress, dns: Dns) -> tuple[str, str]:
    """The client's verified and unverified name as Postfix would see them."""
    answer = await dns.ptr(client)
    if not isinstance(answer, Records):
        return _UNKNOWN, _UNKNOWN
    name = answer.values[0]
    addresses = await (dns.a(name) if client.version == 4 else dns.aaaa(name))
    found = addresses.values if isinstance(addresses, Records) else ()
    verified = any(ipaddress.ip_address(each) == client for each in found)
    return (name if verified else _UNKNOWN), name


def mails(door: Door, envelope: Envelope, message: bytes, accepted: tuple[Address, ...]) -> dict[Stage, Mail]:
    """The mail as `door` knows it at each stage but RCPT, with the recipients that were accepted.

    The mail of stage MAIL learns the recipient that is asked about: `at_rcpt`.
    """
    connect = Mail().learn(
        Stage.CONNECT,
        client_address=envelope.client,
        client_name=envelope.client_name,
        reverse_client_name=envelope.reverse_client_name,
        client_port=0,
        listener=envelope.listener,
        **({"instance": "explain"} if door is Door.POLICYD else {}),
    )
    said = {"protocol_name": "ESMTP" if envelope.helo else "SMTP"} if door is Door.POLICYD else {}
    helo = connect.learn(
        Stage.HELO,
        helo_name=envelope.helo,
        encryption_protocol="",
        encryption_cipher="",
        ccert_subject="",
        **said,
    )
    mail = helo.learn(
        Stage.MAIL,
        sender=envelope.sender,
        sasl_username=envelope.login,
        sasl_method="PLAIN" if envelope.login else "",
        size=len(message),
    )
    told = {"recipients": accepted} if door is Door.MILTER else {}
    data = mail.learn(Stage.DATA, recipient_count=len(accepted), queue_id="", **told)
    content = {"headers": header_of(message)} if door is Door.MILTER else {}
    return {
        Stage.CONNECT: connect,
        Stage.HELO: helo,
        Stage.MAIL: mail,
        Stage.DATA: data,
        Stage.EOM: data.learn(Stage.EOM, **content),
    }


def at_rcpt(mail: Mail, recipient: Address) -> Mail:
    """`mail`, which stands at MAIL, at the question about `recipient`."""
    return mail.learn(Stage.RCPT, recipient=recipient)
