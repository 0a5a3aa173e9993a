"""Notices by webhook, against a real server (THREATS W5)."""

import asyncio
import json
from typing import Any

import pytest

from postward.holds.https import Https
from postward.holds.notice import NotTold
from postward.holds.webhook import ByWebhook, signature
from tests.dns_zone import ZoneDns
from tests.holds.test_mail import NOTICE
from tests.holds.web import Answer, Web, redirect, reply, serving, trusting

ZONE = "hook.example. A 127.0.0.1\nmeta.example. A 169.254.169.254"


async def _post(answers: tuple[Answer, ...], url: str, tls: bool, **options: Any) -> Web:
    async with serving(*answers, names=("hook.example",), tls=tls) as web:
        https = Https(ZoneDns(ZONE), trusting())
        way = ByWebhook(url.format(port=web.port), "secret", https, retries=(0.0, 0.0), **options)
        await way.send(NOTICE)
    return web


def post(
    *answers: Answer, url: str = "https://hook.example:{port}/in", tls: bool = True, private: bool = True
) -> Web:
    return asyncio.run(_post(answers, url, tls, private=private))


def trouble(*answers: Answer, **options: Any) -> str:
    with pytest.raises(NotTold) as caught:
        post(*answers, **options)
    return str(caught.value)


def test_it_is_json_that_is_signed() -> None:
    [request] = post(reply(b"")).requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /in HTTP/1.1\r\n")
    assert f"X-Postward-Signature: {signature('secret', int(NOTICE.at), body)}".encode() in head
    [told] = json.loads(body)["tickets"]
    assert (told["domain"], told["deadline"]) == ("new.example", NOTICE.tickets[0].opened + 86_400)


def test_the_signature_is_a_plain_hmac() -> None:
    """Computed with `printf '1.{}' | openssl dgst -sha256 -hmac secret`."""
    expected = "t=1,v1=1122767b193110cfec322b6f199b599edbf608ed087f2d27afb0b97d99523908"
    assert signature("secret", 1, b"{}") == expected


def test_a_receiver_that_fails_is_asked_thrice() -> None:
    assert trouble(reply(b"", "500 No")) == "the receiver answered 500"
    assert len(post(reply(b"", "500 No"), reply(b"", "503 No"), reply(b"")).requests) == 3


def test_a_receiver_that_refuses_is_asked_once() -> None:
    assert trouble(reply(b"", "403 No"), reply(b"")) == "the receiver answered 403"


def test_a_redirect_is_not_followed() -> None:
    assert trouble(redirect("https://hook.example/")) == "redirected (302)"


def test_http_is_for_loopback() -> None:
    assert len(post(reply(b""), url="http://127.0.0.1:{port}/", tls=False).requests) == 1


@pytest.mark.parametrize("url", ["http://192.0.2.1/", "http://meta.example/", "http://169.254.169.254/"])
def test_and_for_nothing_else(url: str) -> None:
    assert trouble(reply(b""), url=url) == "http is allowed to loopback only"


@pytest.mark.parametrize(
    "url", ["https://meta.example/", "https://169.254.169.254/", "https://[::1]:{port}/"]
)
def test_private_addresses_need_to_be_allowed(url: str) -> None:
    assert "has the private address" in trouble(reply(b""), url=url, private=False)


def test_the_secret_is_not_shown() -> None:
    assert "secret" not in repr(ByWebhook("https://hook.example/", "secret", Https(ZoneDns(), trusting())))
