"""Where the HELO name leads: to the client, to others, to nothing."""

import asyncio
import ipaddress

import pytest

from postward.derive.greeting import Greeting, greeting
from postward.mail import Mail
from postward.stage import Stage
from tests.dns_zone import ZoneDns
from tests.pretend import tools

ZONE = """
mx.example.org.    A    192.0.2.1
mx.example.org.    A    192.0.2.2
mx.example.org.    AAAA 2001:db8::1
four.example.org.  A    192.0.2.1
"""


def _greeting(helo: str, client: str | None) -> Greeting:
    address = ipaddress.ip_address(client) if client else None
    mail = Mail().learn(Stage.HELO, client_address=address, helo_name=helo)
    return asyncio.run(greeting(mail, tools(ZoneDns(ZONE, failing={"slow.example.org": "timeout"}))))


@pytest.mark.parametrize(
    ("helo", "client", "kind"),
    [
        ("mx.example.org", "192.0.2.2", "own"),
        ("MX.Example.Org.", "2001:db8::1", "own"),
        ("mx.example.org", "192.0.2.9", "other"),
        ("four.example.org", "2001:db8::1", "nothing"),
        ("nobody.example.org", "192.0.2.1", "nothing"),
        ("slow.example.org", "192.0.2.1", "temperror"),
        ("localhost", "192.0.2.1", "none"),
        ("[192.0.2.1]", "192.0.2.1", "none"),
        ("a\0b.example.org", "192.0.2.1", "none"),
        ("mx.example.org", None, "none"),
    ],
)
def test_kinds(helo: str, client: str | None, kind: str) -> None:
    assert _greeting(helo, client).kind == kind
