"""The organizational domain: what a registrant owns, by the public suffix list (RFC 7489 3.2).

`mail.news.example.co.uk` belongs to `example.co.uk`. The list takes 0.2 s and 2 MB to load, so it
is loaded when it is first asked.
"""

from functools import cache, lru_cache

from publicsuffixlist import PublicSuffixList


@lru_cache(maxsize=8192)
def org_domain(domain: str) -> str:
    """The organizational domain of `domain` (lower case, A-labels, no final dot).

    A public suffix itself, a name of one label and a literal are their own organizational domain.
    """
    if domain.startswith("["):
        return domain
    found = _suffixes().privatesuffix(domain)
    return str(found) if found else domain


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()
