"""Keys of ratings: one spelling, and help for who writes another."""

import ipaddress

import pytest

from postward.derive.rating_key import BadKey, key_of_login, keys_about, keys_of_address, read_key


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("client:192.0.2.7", "client:192.0.2.7"),
        ("client:::ffff:192.0.2.7", "client:192.0.2.7"),
        (" client: 2001:DB8::7 ", "client:2001:db8::/64"),
        ("client:2001:DB8:0::/64", "client:2001:db8::/64"),
        ("network:192.0.2.0/24", "network:192.0.2.0/24"),
        ("network:2001:DB8:0::/64", "network:2001:db8::/64"),
        ("asn:64500", "asn:64500"),
        ("asn:AS64500", "asn:64500"),
        ("host:Example.ORG.", "host:example.org"),
        ("domain:bücher.example", "domain:xn--bcher-kva.example"),
        ("login:Alice@Example.org", "login:alice@example.org"),
    ],
)
def test_a_key_has_one_spelling(text: str, key: str) -> None:
    assert read_key(text) == key


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("192.0.2.7", "client:192.0.2.7"),
        ("Client:192.0.2.7", "it in small letters: client:"),
        ("client:mx.example.org", "write client:192.0.2.7"),
        ("client:192.0.2.0/24", "write client:192.0.2.7"),
        ("client:2001:db8::/48", "write client:192.0.2.7"),
        ("network:192.0.2.0/22", "write network:192.0.0.0/24"),
        ("network:192.0.2.7", "write network:192.0.2.0/24"),
        ("network:x", "is no network"),
        ("asn:none", "write asn:64500"),
        ("asn:99999999999999999999", "write asn:64500"),
        ("host:mx.example.org", "write host:example.org"),
        ("domain:[192.0.2.7]", "write domain:example.org"),
        ("login:", "write login:alice@example.org"),
        ("login:a\nb", "write login:alice@example.org"),
        ("", "such as client:192.0.2.7"),
    ],
)
def test_a_bad_key_is_answered_with_what_to_write(text: str, hint: str) -> None:
    with pytest.raises(BadKey, match=hint.replace("[", r"\[")):
        read_key(text)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("192.0.2.7", ("client:192.0.2.7", "network:192.0.2.0/24")),
        ("2001:db8::7", ("client:2001:db8::/64", "network:2001:db8::/64")),
        ("192.0.2.0/24", ("network:192.0.2.0/24",)),
        ("example.org", ("host:example.org", "domain:example.org")),
        ("alice@example.org", ("login:alice@example.org", "domain:example.org")),
        ("alice@mail.example.org", ("login:alice@mail.example.org", "domain:example.org")),
        ("mx.example.org", ("host:example.org", "domain:example.org")),
        ("asn:64500", ("asn:64500",)),
    ],
)
def test_what_a_person_may_mean(text: str, keys: tuple[str, ...]) -> None:
    assert keys_about(text) == keys


@pytest.mark.parametrize(
    "text", ["", "alice", "client:x", "a@b@", "@", "@example.org", "nonsense@@", "1.2.3.4.5/99"]
)
def test_what_nobody_can_mean_is_refused(text: str) -> None:
    with pytest.raises(BadKey):
        keys_about(text)


def test_what_is_noted_can_be_asked_for() -> None:
    for text in ("192.0.2.7", "2001:db8::7"):
        assert keys_of_address(ipaddress.ip_address(text)) == keys_about(text)


def test_a_login_is_bounded() -> None:
    assert len(key_of_login("a" * 10_000)) < 300
