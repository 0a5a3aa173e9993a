"""Who is knocking: only what somebody vouches for."""

import asyncio
import ipaddress
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from postward.address import parse
from postward.derive import identity
from postward.derive.identity import FACTS, Identity, Of
from postward.mail import IPAddress, Mail
from postward.stage import Stage
from postward.store.memory import MemoryStore
from postward.tools import Network, Tools
from tests.dns_zone import ZoneDns
from tests.pretend import Clock, tools

T = TypeVar("T")
ZONE = """
1.2.0.192.in-addr.arpa.  PTR mx.mail.good.example.
2.2.0.192.in-addr.arpa.  PTR mx.good.example.
77.2.0.192.in-addr.arpa. PTR dyn-192-0-2-77.isp.example.
mx.mail.good.example.    A   192.0.2.1
dyn-192-0-2-77.isp.example. A 192.0.2.77
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR mx.mail.good.example.
mx.mail.good.example.    AAAA 2001:db8::1
helo.bare.example.       A   192.0.2.3
good.example.            MX  10 mx.good.example.
news.pass.example.       TXT "v=spf1 ip4:192.0.2.3 -all"
open.example.            TXT "v=spf1 +all"
"""


class Map:
    """Implements `postward.tools.Networks`."""

    def find(self, address: IPAddress) -> Network | None:
        return Network(64500, "Example") if address in ipaddress.ip_network("192.0.2.0/24") else None


def _mail(client: str | None = "192.0.2.1", **facts: str) -> Mail:
    known: dict[str, Any] = {
        "client_address": ipaddress.ip_address(client) if client else None,
        "helo_name": facts.get("helo", "x.example"),
        "sender": parse(facts.get("sender", "a@none.example")),
        "sasl_username": facts.get("login", ""),
    }
    return Mail(Stage.MAIL, known)


def _kit(failing: dict[str, str] | None = None) -> Tools:
    kit = tools(ZoneDns(ZONE, failing=failing), clock=Clock())
    kit.store = MemoryStore()
    kit.networks = Map()
    return kit


def _run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


@pytest.mark.parametrize(
    ("client", "helo", "host"),
    [
        ("192.0.2.1", "x.example", "good.example"),
        ("192.0.2.2", "mx.good.example", ""),  # the name does not resolve back
        ("192.0.2.77", "x.example", ""),  # a line of the provider's
        ("192.0.2.77", "dyn-192-0-2-77.isp.example", ""),
        ("192.0.2.3", "helo.bare.example", "bare.example"),
        ("192.0.2.4", "helo.bare.example", ""),  # somebody else's name
        ("192.0.2.3", "192.0.2.3", ""),
        (None, "x.example", ""),
    ],
)
def test_the_host_is_a_verified_name_of_its_own(client: str | None, helo: str, host: str) -> None:
    assert _run(identity.host_of(_mail(client, helo=helo), _kit())) == host


def _later(
    zone: str = "", failing: dict[str, str] | None = None, days: float = 0, client: str = "192.0.2.1"
) -> str:
    """The host that a client with a good name has so many days later, in this zone."""
    clock = Clock()
    kit = _kit()
    kit.clock = clock
    assert _run(identity.host_of(_mail(client), kit.for_message())) == "good.example"
    clock.pass_by(days * 86_400)
    kit.dns = ZoneDns(zone, failing=failing)
    return _run(identity.host_of(_mail(client), kit.for_message()))


@pytest.mark.parametrize(("days", "host"), [(0, "good.example"), (29.9, "good.example"), (30.1, "")])
def test_a_client_keeps_its_host_for_a_while_if_the_dns_fails(days: float, host: str) -> None:
    assert _later(failing={"192.0.2.1": "SERVFAIL"}, days=days) == host


@pytest.mark.parametrize("zone", ["", "1.2.0.192.in-addr.arpa. PTR mx.mail.good.example."])
def test_a_name_that_is_gone_speaks_for_nobody(zone: str) -> None:
    assert _later(zone) == ""


def test_what_is_remembered_of_a_64_does_not_say_who_a_neighbour_is() -> None:
    assert _later(failing={"2001:db8::1": "SERVFAIL"}, client="2001:db8::1") == ""


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("cpc1-pool.cable.virginm.example", ""),
        ("abc123.dsl.telco.example", ""),
        ("dyn-kunde42.isp.example", ""),
        ("broadband.actcorp.example", ""),
        ("s1.vps.provider.example", ""),
        ("customer.provider.example", ""),
        ("cust.static.provider.example", ""),
        ("mail.home.example", "home.example"),
        ("mx1.dsl-shop.example", "dsl-shop.example"),
        ("mail.cable.provider.example", "provider.example"),  # a word for mail spares
        ("www.shop.example", "shop.example"),
        ("a8-30.smtp-out.ses.example", "ses.example"),
    ],
)
def test_a_line_or_a_rented_machine_is_nobodys_own(name: str, owner: str) -> None:
    kit = _kit()
    kit.dns = ZoneDns(f"9.2.0.192.in-addr.arpa. PTR {name}.\n{name}. A 192.0.2.9\n")
    assert _run(identity.host_of(_mail("192.0.2.9"), kit)) == owner


@pytest.mark.parametrize(
    ("policy", "domain"), [("-all", ""), ("~all", "good.example"), ("?all", "good.example")]
)
def test_a_domain_that_disowns_the_client_is_not_vouched_for_by_its_name(policy: str, domain: str) -> None:
    kit = _kit()
    kit.dns = ZoneDns(f'{ZONE}\ngood.example. TXT "v=spf1 ip4:198.51.100.1 {policy}"')
    mail = _mail(sender="a@good.example")
    assert _run(identity.domain_of(mail, kit)) == domain
    assert identity.known(mail, kit) == Identity("good.example", domain)


@pytest.mark.parametrize(
    ("client", "sender", "domain"),
    [
        ("192.0.2.1", "a@news.good.example", "good.example"),  # the client's own domain
        ("192.0.2.3", "a@news.pass.example", "pass.example"),  # SPF
        ("192.0.2.4", "a@news.pass.example", ""),
        ("192.0.2.4", "a@open.example", ""),  # everybody passes: that vouches for nobody
        ("192.0.2.3", "", ""),
        ("192.0.2.3", "a@[192.0.2.3]", ""),
    ],
)
def test_the_domain_is_one_that_the_client_may_speak_for(client: str, sender: str, domain: str) -> None:
    assert _run(identity.domain_of(_mail(client, sender=sender), _kit())) == domain


def test_what_was_not_looked_up_is_not_known() -> None:
    kit = _kit()
    assert identity.known(_mail(), kit) == Identity()
    assert identity.known(_mail(sender="a@good.example"), kit) == Identity()


def test_what_was_looked_up_is_known_without_asking() -> None:
    kit = _kit()
    mail = _mail("192.0.2.3", helo="helo.bare.example", sender="a@news.pass.example")
    _run(identity.domain_of(mail, kit))
    asked = len(kit.dns.queries)  # type: ignore[attr-defined]  # of the ZoneDns
    assert identity.known(mail, kit) == Identity("bare.example", "pass.example")
    assert len(kit.dns.queries) == asked  # type: ignore[attr-defined]  # as above


def test_the_keys_of_the_ratings() -> None:
    kit, mail = _kit(), _mail(sender="a@good.example")
    _run(identity.domain_of(mail, kit))
    assert identity.rating_keys(mail, kit) == (
        "client:192.0.2.1", "network:192.0.2.0/24", "asn:64500", "host:good.example", "domain:good.example",
    )  # fmt: skip


def test_a_login_answers_for_itself_alone() -> None:
    assert identity.rating_keys(_mail(login="Alice@Example.org"), _kit()) == ("login:alice@example.org",)


def test_mail_of_this_host_has_no_keys() -> None:
    assert identity.rating_keys(_mail(None), _kit()) == ()


@pytest.mark.parametrize(
    ("of", "key"),
    [
        ("client", "client:192.0.2.1"),
        ("network", "network:192.0.2.0/24"),
        ("asn", "asn:64500"),
        ("host", "host:good.example"),
        ("domain", "domain:good.example"),
        ("login", "login:alice"),
    ],
)
def test_each_key_is_made_from_its_facts(of: Of, key: str) -> None:
    mail = _mail(sender="a@good.example", login="alice")
    only = Mail(Stage.MAIL, {name: fact for name, fact in mail.known.items() if name in FACTS[of]})
    assert _run(identity.rating_key_of(of, only, _kit())) == key


@pytest.mark.parametrize("of", ["client", "network", "asn", "host", "domain", "login"])
def test_who_is_unknown_has_no_key(of: Of) -> None:
    assert _run(identity.rating_key_of(of, _mail(None), _kit())) == ""


@pytest.mark.parametrize(
    ("client", "sender", "key"),
    [
        ("192.0.2.1", "a@news.pass.example", "host:good.example"),
        ("192.0.2.3", "a@news.pass.example", "domain:pass.example"),
        ("192.0.2.4", "a@news.pass.example", "network:192.0.2.0/24"),
        ("2001:db8::7", "a@none.example", "network:2001:db8::/64"),
        (None, "a@none.example", ""),
    ],
)
def test_the_greylist_goes_by_the_best_that_is_verified(client: str | None, sender: str, key: str) -> None:
    assert _run(identity.greylist_key(_mail(client, sender=sender), _kit())) == key
