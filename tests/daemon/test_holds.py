"""The sections `notify` and `rdap` of postward.yml, and the clerk that they make."""

from typing import Any

import pytest

from postward.daemon import holds
from postward.daemon.config import Settings, settings_of
from postward.holds.mail import ByMail
from postward.rules.document import parse
from postward.rules.errors import ConfigErrors
from tests.house import build

NOTIFY = """
notify:
  mail: {to: [postmaster@example.org], from: postward@mx.example.org, server: "127.0.0.1:10025"}
  webhook: {url: https://hook.example.org/in, secret: 0123456789abcdef}
rdap:
  servers: {com: https://rdap.example.com/v1, "*": {url: "https://10.0.0.1:8443/", private: true}}
  hosts: [rdap.example.net]
  timeout: 3s
"""


def settings(text: str) -> Settings:
    return settings_of(parse(text.encode(), "postward.yml"))


def test_all_of_it_is_read() -> None:
    read = settings(NOTIFY)
    assert read.notify.mail is not None
    assert read.notify.mail.sender == "postward@mx.example.org"
    assert read.notify.webhook is not None
    assert read.rdap.servers["com"].url == "https://rdap.example.com/v1"
    assert read.rdap.servers["*"].private
    assert read.rdap.timeout == 3.0


def test_by_default_nobody_is_told_and_nothing_asked() -> None:
    read = settings("")
    assert (read.notify.mail, read.notify.webhook, read.rdap.servers) == (None, None, {})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("notify: {mail: {to: []}}", "1:21: notify.mail.to: must hold at least one"),
        ("notify: {mail: {to: [nobody]}}", "1:22: notify.mail.to[0]: not a mail address"),
        ('notify: {mail: {to: ["a@b.org\\nBcc: c@d"]}}', "1:22: notify.mail.to[0]: not a mail address"),
        ("notify: {mail: {to: [a@b.org], form: x}}", "unknown key; did you mean from?"),
        (
            "notify: {webhook: {url: 'http://192.0.2.1/', secret: 0123456789abcdef}}",
            "must be an address such as",
        ),
        ("notify: {webhook: {url: 'https://h.example/', secret: short}}", "must have at least 16 characters"),
        ("notify: {pigeon: {}}", "unknown key; known: mail, webhook"),
        ("rdap: {servers: {com: http://rdap.example/}}", "must be an address such as"),
        (
            "rdap: {servers: {com: {url: https://a.example/, pubic: true}}}",
            "unknown key; known: private, url",
        ),
        ("rdap: {timeout: 10s}", "must be"),
    ],
)
def test_what_is_wrong_is_said(text: str, why: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        settings(text)
    assert why in str(caught.value)


def test_a_wrong_secret_is_not_shown() -> None:
    with pytest.raises(ConfigErrors) as caught:
        settings("notify: {webhook: {url: 'https://h.example/', secret: hunter2}}")
    assert "hunter2" not in str(caught.value)


def test_http_to_loopback_is_allowed() -> None:
    settings("notify: {webhook: {url: 'http://127.0.0.1:8080/', secret: 0123456789abcdef}}")


def _ways(house: Any, text: str) -> list[Any]:
    read = settings(text)
    return [line.way for line in holds.teller(house, read.notify, "mx.example.org")._lines]


def test_the_ways_to_tell_people(tmp_path: Any) -> None:
    house = build(tmp_path, "shipped: off").house
    assert [way.name for way in _ways(house, NOTIFY)] == ["mail", "webhook"]
    assert _ways(house, "") == []


def test_who_writes_when_nobody_is_named(tmp_path: Any) -> None:
    house = build(tmp_path, "shipped: off").house
    [way] = _ways(house, "notify: {mail: {to: [a@example.org]}}")
    assert isinstance(way, ByMail)
    assert way.sender == "postward@mx.example.org"


def test_a_registry_only_where_one_is_configured(tmp_path: Any) -> None:
    house = build(tmp_path, "shipped: off").house
    assert holds.registry(house, settings("").rdap) is None
    assert holds.registry(house, settings(NOTIFY).rdap) is not None
