"""DKIM signatures for the bench's messages (RFC 6376), by the openssl program.

For messages that are made here only: their header fields are unfolded and their lines have no
blanks at the end, so relaxed canonicalization leaves nearly all as it is.
"""

import base64
import hashlib
import subprocess
from collections.abc import Sequence
from pathlib import Path

SELECTOR = "bench"


class SigningKey:
    """One RSA key of 2048 bits for all domains, made anew below `directory`."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "dkim.pem"
        _openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(self._path))

    def zone(self, domains: Sequence[str]) -> str:
        """The key's TXT records as zone lines."""
        public = base64.b64encode(
            _openssl("pkey", "-in", str(self._path), "-pubout", "-outform", "DER")
        ).decode()
        record = f'"v=DKIM1; k=rsa; p={public[:200]}" "{public[200:]}"'
        return "".join(f"{SELECTOR}._domainkey.{domain}. TXT {record}\n" for domain in domains)

    def sign(self, domain: str, fields: Sequence[tuple[str, str]], body: bytes) -> str:
        """The DKIM-Signature field over all `fields` and the body (which ends in one CRLF)."""
        names = ":".join(name.lower() for name, _ in fields)
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        value = f"v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s={SELECTOR}; h={names}; bh={digest}; b="
        # RFC 6376 3.4.2 and 3.7: names in lower case, no blank after the colon, itself without b= last.
        signed = "".join(f"{name.lower()}:{text}\r\n" for name, text in fields) + f"dkim-signature:{value}"
        signature = _openssl("dgst", "-sha256", "-sign", str(self._path), given=signed.encode())
        return f"DKIM-Signature: {value}{base64.b64encode(signature).decode()}"


def _openssl(*arguments: str, given: bytes = b"") -> bytes:
    done = subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
