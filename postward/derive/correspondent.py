"""The keys under which it is remembered whom our users have written to (kinds of `postward.state.Seen`).

Addresses in small letters, the tag of our own user's address (`alice+shop@`) dropped, because the
answer may come to either. An address that the key could not hold without doubt has none.
"""

from functools import lru_cache

from postward.address import Address

_MAX = 320  # octets: RFC 5321 4.5.3.1, local part, @ and domain


def pair_key(theirs: Address, ours: Address) -> str:
    """`ours` has written to `theirs`; empty when one of them cannot be remembered."""
    them, us = _spelled(theirs), _spelled(_untagged(ours))
    return f"correspondent {them}|{us}" if them and us else ""


def any_key(theirs: Address) -> str:
    """Some user of ours has written to `theirs`; empty when it cannot be remembered."""
    them = _spelled(theirs)
    return f"correspondent-any {them}" if them else ""


def is_ours(address: Address, own_domains: frozenset[str]) -> bool:
    """An address in one of the site's domains: among ourselves nobody is a correspondent."""
    return address.domain in own_domains


@lru_cache(maxsize=4096)
def _untagged(address: Address) -> Address:
    local, plus, _ = address.local.partition("+")
    return Address(address.text, local, address.domain, address.problem) if plus and local else address


@lru_cache(maxsize=4096)
def _spelled(address: Address) -> str:
    text = f"{address.local.lower()}@{address.domain}"
    if address.domain is None or not address.local or len(text) > _MAX:
        return ""
    return text if text.isprintable() and "|" not in text and " " not in text else ""
