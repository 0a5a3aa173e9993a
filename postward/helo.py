"""The HELO name as both doors tell it.

Postfix writes `?` for characters that could do harm before it asks a policy service at MAIL and
later, but not yet at the HELO stage itself, and never for a milter. It is done here for all of them
in the same way, so that both doors see one mail.
"""

import string

_NEUTERED = frozenset(' <>()\\";@')  # Postfix's NEUTER_CHARACTERS (src/smtpd/smtpd.h)
_PLAIN = frozenset(string.ascii_letters + string.digits + "-._:[]")


def neutered(name: str) -> str:
    """`name` with `?` for control characters, octets that are no UTF-8, and what has a meaning in SMTP."""
    if _PLAIN.issuperset(name):
        return name
    return "".join("?" if char in _NEUTERED or not _shows(char) else char for char in name)


def _shows(char: str) -> bool:
    """What Postfix's printable() lets through: printable ASCII and all UTF-8."""
    return " " <= char <= "~" or (char >= "\x80" and not "\udc80" <= char <= "\udcff")
