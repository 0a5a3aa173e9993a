"""RDAP against a real https server that is down, slow, busy, huge, or lies (THREATS D6)."""

import asyncio
import json
from typing import Any

import pytest

from postward.holds.https import Https, host_of
from postward.holds.rdap import Rdap, RdapServer, RdapSettings
from postward.holds.registry import CannotAsk
from postward.store.memory import MemoryStore
from postward.tools import Dns
from tests.dns_zone import ZoneDns
from tests.holds.web import Answer, Web, redirect, reply, serving, trusting
from tests.pretend import Clock

ZONE = """
rdap.example.      A 127.0.0.1
inside.example.    A 10.1.2.3
public.example.    A 203.0.113.9
"""


def told(domain: str = "new.example", date: Any = "2024-05-01T10:00:00Z", **more: Any) -> bytes:
    events = [{"eventAction": "last changed", "eventDate": "2026-01-01T00:00:00Z"}]
    if date is not None:
        events.append({"eventAction": "registration", "eventDate": date})
    return json.dumps({"objectClassName": "domain", "ldhName": domain, "events": events, **more}).encode()


def rdap_for(
    web: Web,
    *,
    private: bool = True,
    dns: Dns | None = None,
    hosts: tuple[str, ...] = (),
    timeout: float = 5.0,
) -> Rdap:
    server = RdapServer(f"https://rdap.example:{web.port}/v1/", private)
    allowed = frozenset({f"rdap.example:{web.port}", *hosts})
    settings = RdapSettings({"*": server}, allowed, timeout=timeout, pace=0.0)
    return Rdap(settings, Https(dns or ZoneDns(ZONE), trusting()), Clock())


async def _asked(answers: tuple[Answer, ...], **options: Any) -> tuple[str, Web]:
    async with serving(*answers) as web:
        return await rdap_for(web, **options).registered("new.example", MemoryStore().seen), web


def ask(*answers: Answer, **options: Any) -> str:
    return asyncio.run(_asked(answers, **options))[0]


def trouble(*answers: Answer, **options: Any) -> str:
    with pytest.raises(CannotAsk) as caught:
        ask(*answers, **options)
    return str(caught.value)


def test_the_day_of_registration() -> None:
    assert ask(reply(told())) == "2024-05-01"


def test_it_asks_for_the_domain_by_its_name() -> None:
    _, web = asyncio.run(_asked((reply(told()),)))
    [request] = web.requests
    assert request.startswith(b"GET /v1/domain/new.example HTTP/1.1\r\n")
    assert b"Host: rdap.example:%d\r\n" % web.port in request


def test_a_registry_that_does_not_know_it_says_so() -> None:
    assert ask(reply(b"{}", "404 Not Found")) == "not registered"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (reply(b"x" * 1_000_000), "the answer is larger than 65536 octets"),
        (reply(told(), kind="text/html"), "the answer is no JSON"),
        (reply(b"{"), "the answer is broken JSON"),
        (reply(b"[" * 60_000), "the answer is broken JSON"),
        (reply(b"\xff\xfe"), "the answer is broken JSON"),
        (reply(b"[1]"), "the answer is about nothing"),
        (reply(b'{"events": 1}'), "the answer is about another domain"),
        (reply(told("old.example")), "the answer is about another domain"),
        (reply(told(date=None)), "the answer tells no date of registration"),
        (reply(told(date=7)), "the answer tells no date of registration"),
        (reply(told(date="yesterday")), "the answer tells no date of registration"),
        (reply(told(date="9999-12-31T23:59:59-23:00")), "the answer tells no date of registration"),
        (reply(told(date="2999-01-01T00:00:00Z")), "the answer tells an impossible date"),
        (reply(told(date="0001-01-01T00:00:00+23:00")), "the answer tells no date of registration"),
        (reply(told(date="1970-01-01T00:00:00Z")), "the answer tells an impossible date"),
        (reply(b"", "500 Sorry"), "the server answered 500"),
        (reply(b"", "429 Too Many"), "the server is busy (429)"),
        (reply(told(), more="Content-Encoding: gzip\r\n"), "the answer is compressed"),
    ],
)
def test_what_cannot_be_believed_tells_nothing(answer: bytes, why: str) -> None:
    assert trouble(answer) == why


def test_a_server_that_hangs_is_given_up() -> None:
    async def hang(_: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    assert trouble(hang, timeout=0.05) == "no answer in 0.05 s"


def test_a_server_that_hangs_up_tells_nothing() -> None:
    assert trouble(b"").startswith("rdap.example: ")


def test_a_server_that_is_down_tells_nothing() -> None:
    async def main() -> None:
        async with serving(b"") as web:
            rdap = rdap_for(web)
        await rdap.registered("new.example", MemoryStore().seen)

    with pytest.raises(CannotAsk, match=r"rdap\.example"):
        asyncio.run(main())


def test_a_certificate_for_another_name_is_refused() -> None:
    async def main() -> None:
        async with serving(reply(told()), names=("other.example",)) as web:
            await rdap_for(web).registered("new.example", MemoryStore().seen)

    with pytest.raises(CannotAsk, match=r"[Cc]ertificate"):
        asyncio.run(main())


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("http://rdap.example/", "http is not allowed"),
        ("https://169.254.169.254/latest", "169.254.169.254:443 is not among the allowed hosts"),
        ("https://elsewhere.example/", "elsewhere.example:443 is not among the allowed hosts"),
        ("https://inside.example/", "inside.example has the private address 10.1.2.3"),
        ("https://[::1]/", "::1:443 is not among the allowed hosts"),
        ("https://a:b@inside.example/", "a name or password in the address"),
        ("file:///etc/passwd", "file is not allowed"),
        ("https://rdap.example:port/", "rdap.example: Invalid URL"),
        ("/", "too many redirects"),
    ],
)
def test_a_redirect_does_not_lead_astray(location: str, why: str) -> None:
    assert trouble(redirect(location), hosts=("inside.example",)).startswith(why)


def test_a_redirect_to_an_allowed_address_in_private_space_is_refused() -> None:
    assert "private address 169.254.169.254" in trouble(
        redirect("https://169.254.169.254/"), hosts=("169.254.169.254",)
    )


def test_two_redirects_are_followed() -> None:
    assert ask(redirect("/a"), redirect("/b"), reply(told())) == "2024-05-01"


def test_three_redirects_are_too_many() -> None:
    assert trouble(redirect("/a"), redirect("/b"), redirect("/c"), reply(told())) == "too many redirects"


def test_a_configured_server_in_private_space_needs_to_be_allowed_there() -> None:
    assert trouble(reply(told()), private=False) == "rdap.example has the private address 127.0.0.1"


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    dns = ZoneDns("rdap.example. A 203.0.113.9\nrdap.example. A 127.0.0.1")
    assert "private address" in trouble(reply(told()), private=False, dns=dns)


def test_the_address_that_was_judged_is_the_one_that_is_asked() -> None:
    """A name that changes its address after the look gains nothing: there is no second look (W5)."""
    dns = ZoneDns(ZONE)
    assert ask(reply(told()), dns=dns) == "2024-05-01"
    assert dns.queries.count(("A", "rdap.example")) == 1


def test_a_name_that_does_not_resolve_tells_nothing() -> None:
    assert trouble(b"", dns=ZoneDns("", failing={"rdap.example": "SERVFAIL"})) == "rdap.example: SERVFAIL"


def test_an_answer_is_remembered() -> None:
    async def main() -> int:
        async with serving(reply(told())) as web:
            rdap, store = rdap_for(web), MemoryStore()
            for _ in range(3):
                assert await rdap.registered("new.example", store.seen) == "2024-05-01"
            return len(web.requests)

    assert asyncio.run(main()) == 1


def test_a_busy_server_is_left_alone() -> None:
    async def main() -> int:
        async with serving(reply(b"", "429 Too Many", more="Retry-After: 120\r\n")) as web:
            rdap, store = rdap_for(web), MemoryStore()
            for name in ("a.example", "b.example"):
                with pytest.raises(CannotAsk):
                    await rdap.registered(name, store.seen)
            return len(web.requests)

    assert asyncio.run(main()) == 1


def test_the_longest_end_of_the_name_says_which_server() -> None:
    servers = {end: RdapServer(f"https://{end}.example") for end in ("uk", "co.uk")}
    rdap = Rdap(RdapSettings(servers, frozenset()), Https(ZoneDns(ZONE), trusting()), Clock())

    async def ask_about(domain: str) -> None:
        await rdap.registered(domain, MemoryStore().seen)

    with pytest.raises(CannotAsk, match=r"co\.uk\.example:443"):
        asyncio.run(ask_about("new.co.uk"))
    with pytest.raises(CannotAsk, match="no RDAP server"):
        asyncio.run(ask_about("new.example"))


def test_an_internationalized_host_is_asked_by_its_a_label() -> None:
    assert (
        host_of("https://b\u00fccher.example/x")
        == host_of("https://xn--bcher-kva.example/")
        == ("xn--bcher-kva.example")
    )
