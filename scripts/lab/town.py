"""The demonstration's little world: its DNS, its clients, its site's own rules and lists.

`example.org` is ours. All addresses are from the networks for documentation (RFC 5737).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent

ZONE = (_HERE / "town.zone").read_text()
SIGNED = (_HERE / "messages" / "signed.eml").read_bytes()
PASSWORDS = {"alice@example.org": "wonderland"}
GREYLIST_DELAY = 3  # seconds; a real site lets them wait for minutes


@dataclass(frozen=True, slots=True)
class Client:
    """An SMTP client as XCLIENT plays it. `name`: its PTR name, empty when it has none."""

    address: str
    name: str
    helo: str


HONEST = Client("198.51.100.10", "mail.example.net", "mail.example.net")
NEWSLETTER = Client("198.51.100.30", "relay.example.com", "relay.example.com")
STRANGER = Client("203.0.113.40", "mail.elsewhere.example", "mail.elsewhere.example")
NAMELESS = Client("203.0.113.5", "", "mail.nameless.example")
CROOKED = Client("203.0.113.90", "", "mail.crooked.example")
DIALUP = Client("203.0.113.177", "dyn-203-0-113-177.pool.isp.example", "localhost")
LIAR = Client("203.0.113.41", "", "mx.example.org")
TRAPPED = Client("192.0.2.155", "mail.trapped.example", "mail.trapped.example")
BLOCKED = Client("203.0.113.80", "mail.blocked.example", "mail.blocked.example")
LISTED = Client("203.0.113.66", "mail.spammer.example", "mail.spammer.example")
PARTNER = Client("203.0.113.200", "", "partner")

RULES: dict[str, Any] = {
    "demonstration.yml": {
        "rules": [
            {"name": "greylist", "with": {"delay": GREYLIST_DELAY}},
            {
                "name": "our-domain-from-outside",
                "check": "list",
                "with": {"match": "sender", "list": "our-domains"},
                "unless": ["authenticated"],
                "then": "reject",
                "reason": "{sender} is ours, and you have not logged in.",
                "remedy": "Send it through our submission service.",
            },
        ]
    }
}

LISTS: dict[str, list[Any]] = {
    "deny-clients": [{"value": "203.0.113.64/28", "note": "sends spam only", "added": "2026-11-01"}],
    "allow-clients": [{"value": PARTNER.address, "note": "partner, contract 17", "added": "2026-11-01"}],
    "our-domains": ["example.org", ".example.org"],
    "spam-traps": [{"value": "trap@example.org", "note": "stands on no page that people read"}],
}

SETTINGS: dict[str, Any] = {
    "dns_lists": {
        "demonstration": {
            "zone": "bl.lists.example",
            "about": ["client"],
            "codes": {"127.0.0.2": {"score": 4, "means": "sends spam"}},
        }
    }
}
