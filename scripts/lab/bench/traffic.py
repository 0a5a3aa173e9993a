"""The traffic of the bench: senders, their names in the DNS, policy requests and SMTP jobs.

Made up, but the same each time: 500 sender domains, each with a client of its own in 198.18.0.0/15
(RFC 2544, for benchmarks), PTR and forward names that agree, an MX, and an SPF record that lets all
these clients send (a session plays one client and sends mail of several domains). Twelve '@' are a
mark: the load generators put the number of the request there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from lab.bench.signing import SigningKey
from lab.dns import host

MARK = "@" * 12
OWN_DOMAIN = "own.example"
DOMAINS = 500
LOCAL_PARTS = 10
NETWORK = "198.18.0.0/15"
MESSAGES = 100
MESSAGE_SIZE = 3600  # octets of the body; about 4 kB with the header


@dataclass(frozen=True)
class Sender:
    """A sender domain and its one client."""

    domain: str
    address: str
    name: str


def senders() -> Iterator[Sender]:
    for number in range(DOMAINS):
        domain = f"d{number}.example"
        yield Sender(domain, f"198.{18 + number // 250}.{number % 250}.7", f"mail.{domain}")


def policy_requests(path: Path, *, unique_sender: bool) -> int:
    """Write requests as Postfix 3.7 sends them at RCPT; how many. `unique_sender`: each is a new triplet."""
    texts = []
    for local_part in range(LOCAL_PARTS):
        for sender in senders():
            who = MARK if unique_sender else f"user{local_part}"
            texts.append(_request(sender, f"{who}@{sender.domain}", f"person{local_part}@{OWN_DOMAIN}"))
    path.write_text("".join(texts))
    return len(texts)


def strangers(path: Path) -> int:
    """Write one request: each time it is asked another client, HELO, sender domain and sender; 1."""
    path.write_text(
        request(
            client_address=f"2a00:{MARK[:4]}:{MARK[:4]}:{MARK[:4]}::7",
            helo_name=f"mail.n{MARK}.example",
            sender=f"user@n{MARK}.example",
            recipient=f"person0@{OWN_DOMAIN}",
        )
    )
    return 1


def _request(sender: Sender, envelope_sender: str, recipient: str) -> str:
    return request(
        client_address=sender.address,
        client_name=sender.name,
        reverse_client_name=sender.name,
        helo_name=sender.name,
        sender=envelope_sender,
        recipient=recipient,
    )


def request(**said: str) -> str:
    """One request with what is `said`; the order and the empty attributes are Postfix 3.7's."""
    attributes = {
        "request": "smtpd_access_policy",
        "protocol_state": "RCPT",
        "protocol_name": "ESMTP",
        "client_address": "",
        "client_name": "unknown",
        "client_port": "41258",
        "reverse_client_name": "unknown",
        "server_address": "127.0.0.1",
        "server_port": "25",
        "helo_name": "",
        "sender": "",
        "recipient": "",
        "recipient_count": "0",
        "queue_id": "",
        "instance": f"5f1c.{MARK}.0",
        "size": "4096",
        "etrn_domain": "",
        "stress": "",
        "sasl_method": "",
        "sasl_username": "",
        "sasl_sender": "",
        "ccert_subject": "",
        "ccert_issuer": "",
        "ccert_fingerprint": "",
        "ccert_pubkey_fingerprint": "",
        "encryption_protocol": "",
        "encryption_cipher": "",
        "encryption_keysize": "0",
        "policy_context": "",
    }
    if not said.keys() <= attributes.keys():
        raise ValueError(f"Postfix does not say {sorted(said.keys() - attributes.keys())}")
    return "".join(f"{name}={value}\n" for name, value in (attributes | said).items()) + "\n"


def zone() -> str:
    """Master-file text with absolute names, for `lab.dns.Dns`."""
    lines = [f"{OWN_DOMAIN}. MX 10 mx.{OWN_DOMAIN}.\n", host(f"mx.{OWN_DOMAIN}", "198.18.255.1")]
    for sender in senders():
        domain, address = sender.domain, sender.address
        lines.append(
            f"{domain}. A {address}\n"
            f"{domain}. MX 10 {sender.name}.\n"
            f'{domain}. TXT "v=spf1 ip4:{NETWORK} -all"\n'
            f'_dmarc.{domain}. TXT "v=DMARC1; p=none"\n'
            f'{sender.name}. TXT "v=spf1 ip4:{NETWORK} -all"\n'
        )
        lines.append(host(sender.name, address))
    return "".join(lines)


def smtp_jobs(directory: Path, key: SigningKey, authserv_id: str) -> Path:
    """Write signed messages of 4 kB and the jobs file of `smtpload`; the path of the latter."""
    jobs = []
    for number, sender in enumerate(islice(senders(), MESSAGES)):
        message = directory / f"message-{number}.eml"
        message.write_bytes(_message(sender, key, authserv_id))
        recipient = f"person{number % LOCAL_PARTS}@{OWN_DOMAIN}"
        who = f"user@{sender.domain}"
        jobs.append("\t".join((sender.address, sender.name, sender.name, who, recipient, str(message))))
    path = directory / "jobs"
    path.write_text("\n".join(jobs) + "\n")
    return path


def _message(sender: Sender, key: SigningKey, authserv_id: str) -> bytes:
    """As a mail from outside: signed, with a forged Authentication-Results field, an unsigned unique id."""
    fields = [
        ("From", f"A User <user@{sender.domain}>"),
        ("To", f"A Person <person@{OWN_DOMAIN}>"),
        ("Subject", "The figures of this month"),
        ("Date", "Sun, 22 Nov 2026 09:00:00 +0000"),
        ("MIME-Version", "1.0"),
        ("Content-Type", "text/plain; charset=us-ascii"),
    ]
    line = f"These are words that {sender.domain} writes to us to fill a line of text.\r\n"
    body = (line * (MESSAGE_SIZE // len(line))).encode()
    head = [f"Authentication-Results: {authserv_id}; spf=pass smtp.mailfrom={sender.domain}"]
    head += [key.sign(sender.domain, fields, body)]
    head += [f"Message-ID: <{MARK}.bench@{sender.domain}>"]
    head += [f"{name}: {value}" for name, value in fields]
    return "\r\n".join([*head, "", ""]).encode() + body
