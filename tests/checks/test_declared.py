"""What a check says of itself is true: it reads only what it needs, and gives only what it lists."""

import asyncio
import ipaddress
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import pytest

from postward.address import parse
from postward.checks.from_header import FromHeader
from postward.checks.helo import Helo
from postward.checks.rdns import ReverseDns
from postward.checks.spf import Spf
from postward.finding import Hit
from postward.mail import FACTS, HeaderField, Mail
from postward.stage import Stage
from tests.dns_zone import ZoneDns
from tests.pretend import look, tools

ZONE = """
1.2.0.192.in-addr.arpa.   PTR mx.example.org.
2.2.0.192.in-addr.arpa.   PTR elsewhere.example.org.
77.2.0.192.in-addr.arpa.  PTR dyn-192-0-2-77.isp.example.
mx.example.org.           A   192.0.2.1
dyn-192-0-2-77.isp.example. A 192.0.2.77
fail.example.             TXT "v=spf1 -all"
"""
CLIENTS = ("192.0.2.1", "192.0.2.2", "192.0.2.77", "192.0.2.8", "192.0.2.9")
HELOS = (
    "",
    "mx.example.org",
    "192.0.2.1",
    "[192.0.2.1]",
    "[192.0.2.3]",
    "localhost",
    "b@d",
    "x.example.net",
    "pc.local",
    "mx.google.com",
)
SENDERS = ("<>", "a@fail.example", "a@none.example", "odd")
FROMS: tuple[tuple[bytes, ...], ...] = ((), (b" a@b.org",), (b" a@b.org", b" a@b.org"), (b" <",))


def _checks() -> Iterator[Any]:
    for kind in (ReverseDns, Helo, FromHeader):
        for verdict in get_args(get_type_hints(kind)["verdict"]):
            yield pytest.param(kind(verdict), id=f"{kind.name}-{verdict}")
    yield pytest.param(Spf(("fail", "none", "temperror")), id="spf")


CHECKS = list(_checks())


def _mails() -> Iterator[dict[str, Any]]:
    for client in CLIENTS:
        for helo in HELOS:
            for sender in SENDERS:
                for values in FROMS:
                    yield {
                        "client_address": ipaddress.ip_address(client),
                        "helo_name": helo,
                        "sender": parse(sender),
                        "headers": tuple(HeaderField(b"From", value) for value in values),
                    }


MAILS = list(_mails())


def _looks(check: Any) -> list[Any]:
    """The findings on all mails, each of which knows nothing but what the check needs."""
    dns = ZoneDns(ZONE, failing={"192.0.2.9": "timeout"})

    async def main() -> list[Any]:
        found = []
        for facts in MAILS:
            mail = Mail(Stage.EOM, {name: facts[name] for name in check.needs})
            found.append(await look(check, mail, tools(dns, own_domains=frozenset({"example.org"}))))
        return found

    return asyncio.run(main())


@pytest.mark.parametrize("check", CHECKS)
def test_it_reads_only_what_it_needs(check: Any) -> None:
    assert check.needs <= set(FACTS)
    assert len(_looks(check)) == len(MAILS)


@pytest.mark.parametrize("check", CHECKS)
def test_its_hits_carry_what_it_lists(check: Any) -> None:
    hits = [found for found in _looks(check) if isinstance(found, Hit)]
    assert hits
    for hit in hits:
        assert hit.reason in check.reasons
        assert set(hit.values) == set(check.says)


@pytest.mark.parametrize("check", CHECKS)
def test_every_need_is_read(check: Any) -> None:
    for missing in check.needs:
        with pytest.raises(LookupError):
            for facts in MAILS:
                mail = Mail(Stage.EOM, {name: facts[name] for name in check.needs - {missing}})
                asyncio.run(look(check, mail, tools(ZoneDns(ZONE))))
