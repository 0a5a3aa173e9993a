"""Organizational domains by the public suffix list."""

import pytest

from postward.derive.orgdomain import org_domain


@pytest.mark.parametrize(
    ("domain", "owner"),
    [
        ("mail.news.example.co.uk", "example.co.uk"),
        ("example.org", "example.org"),
        ("my-bank.com", "my-bank.com"),
        ("www.my-bank.com", "my-bank.com"),
        ("a.b.xn--p1ai", "b.xn--p1ai"),
        ("x.y.no-such-tld", "y.no-such-tld"),
        ("co.uk", "co.uk"),
        ("localhost", "localhost"),
        ("[192.0.2.1]", "[192.0.2.1]"),
        ("", ""),
    ],
)
def test_org_domain(domain: str, owner: str) -> None:
    assert org_domain(domain) == owner
