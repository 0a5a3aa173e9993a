"""Milter words to facts."""

import ipaddress

import pytest

from milters import intake
from milters.events import Connect, Header, Helo, MailFrom
from milters.wire import ProtocolError

CLIENT = Connect(b"client.example", "4", 4711, b"192.0.2.1")


def test_an_ipv6_client_has_no_prefix():
    facts = intake.connect_facts(Connect(b"a.example", "6", 25, b"IPv6:2001:db8::7"), {})
    assert facts["client_address"] == ipaddress.ip_address("2001:db8::7")


@pytest.mark.parametrize(
    ("name", "macros", "names"),
    [
        (b"a.example", {}, ("a.example", "a.example")),
        (b"[192.0.2.1]", {}, ("unknown", "unknown")),
        (b"[192.0.2.1]", {"_": "ptr.example [192.0.2.1] (may be forged)"}, ("unknown", "ptr.example")),
        (b"x", {"client_name": "unknown", "client_ptr": "ptr.example"}, ("unknown", "ptr.example")),
        (b"x", {"client_name": "a.example", "client_ptr": "a.example"}, ("a.example", "a.example")),
    ],
)
def test_client_names(name, macros, names):
    facts = intake.connect_facts(Connect(name, "4", 25, b"192.0.2.1"), macros)
    assert (facts["client_name"], facts["reverse_client_name"]) == names


def test_a_client_on_a_unix_socket_is_this_host():
    assert intake.connect_facts(Connect(b"x", "L", 0, b"/run/x"), {})["client_address"] is None


@pytest.mark.parametrize(("family", "address"), [("U", b""), ("4", b"\xff"), ("6", b"unknown")])
def test_a_client_without_an_address_is_not_taken_for_this_host(family, address):
    with pytest.raises(ProtocolError, match="without an address"):
        intake.connect_facts(Connect(b"x", family, 1, address), {})


@pytest.mark.parametrize(
    ("event", "macros", "local"),
    [
        (CLIENT, {}, False),
        (CLIENT, {"i": "4ABC"}, True),
        (Connect(b"localhost", "4", 0, b"127.0.0.1"), {}, True),
        (Connect(b"localhost", "4", 0, b"127.0.0.1"), {"daemon_name": "inbound"}, False),
        (Connect(b"localhost", "4", 4711, b"127.0.0.1"), {}, False),
    ],
)
def test_mail_from_sendmail_is_told_apart(event, macros, local):
    assert intake.is_local(event, macros) is local


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (b"mail.example", "mail.example"),
        (b"mail\x01\x07 b=c%d\x7f.example", "mail???b=c%d?.example"),
        (b"x sender=admin@test.example", "x?sender=admin?test.example"),
        (b"[192.0.2.1]", "[192.0.2.1]"),
        (b"<script>", "?script?"),
        ("müller.example".encode(), "müller.example"),
        (b"\xff", "?"),
    ],
)
def test_the_helo_name_is_cleaned_as_postfix_does_for_a_policy_service(said, name):
    assert intake.helo_facts(Helo(said), {})["helo_name"] == name


def test_no_helo_at_all():
    assert intake.helo_facts(None, {"tls_version": "TLSv1.3"})["helo_name"] == ""


@pytest.mark.parametrize(
    ("parameters", "size"),
    [
        ((), 0),
        ((b"SIZE=1234",), 1234),
        ((b"BODY=8BITMIME", b"size=7"), 7),
        ((b"SIZE=-1",), 0),
        ((b"SIZE=" + b"9" * 30,), 0),
        ((b"SIZE",), 0),
    ],
)
def test_the_announced_size(parameters, size):
    assert intake.mail_facts(MailFrom(b"<a@b>", parameters), {})["size"] == size


def test_the_login():
    facts = intake.mail_facts(MailFrom(b"<a@b>"), {"auth_authen": "joe", "auth_type": "PLAIN"})
    assert (facts["sasl_username"], facts["sasl_method"]) == ("joe", "PLAIN")


@pytest.mark.parametrize(
    ("value", "leading_space", "raw"),
    [
        (b" x", True, b" x"),
        (b"x", True, b"x"),
        (b"x", False, b" x"),
        (b" a\n\tb", True, b" a\r\n\tb"),
        (b" a\r\n\tb", True, b" a\r\n\tb"),
        (b" a\rb", True, b" a\rb"),
    ],
)
def test_a_field_is_as_it_was_in_the_message(value, leading_space, raw):
    assert intake.header_field(Header(b"Subject", value), leading_space).value == raw
