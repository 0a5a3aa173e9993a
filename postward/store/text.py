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
    """`text` as a key. Two texts get the same key only if they are the same, however long they are."""
    if text.isascii() and len(text) <= MAX_KEY:
        return text
    octets = text.encode("utf-8", "surrogatepass")
    if len(octets) <= MAX_KEY and octets.decode("utf-8", "ignore") == text:
        return text
    return f"{stored(text, 200)}#{hashlib.blake2b(octets, digest_size=16).hexdigest()}"
