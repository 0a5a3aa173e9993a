"""Texts as the store keeps them: bounded, and such that the driver can spell them in UTF-8."""

import hashlib

MAX_KEY = 400
"""Characters of a key. A longer one keeps its beginning and gets a digest for the rest."""


def stored(text: str, most: int) -> str:
    """`text` cut to `most` characters; what UTF-8 cannot spell (smuggled octets) is escaped."""
    if text.isascii() and len(text) <= most:
        return text
    return text[:most].encode("utf-8", "backslashreplace").decode("utf-8")[:most]


def stored_key(text: str) -> str:
    """`text` as a key: printable ASCII. Two texts get one key only if they are the same, however long."""
    if len(text) <= MAX_KEY and text.isascii() and text.isprintable():
        return text
    octets = text.encode("utf-8", "surrogatepass")
    shown = text[:100].encode("unicode_escape").decode("ascii")[:200]
    return f"{shown}#{hashlib.blake2b(octets, digest_size=16).hexdigest()}"
