"""Notices by webhook: one POST of JSON, signed.

`X-Postward-Signature: t=SECONDS,v1=HEX`: HMAC-SHA256 of `SECONDS.BODY` with the shared secret. The
time is signed too, so that a receiver can refuse an old request that somebody sends again.
"""

import asyncio
import hashlib
import hmac
import json
from dataclasses import dataclass, field

from postward.holds.https import Https, Reach, host_of
from postward.holds.notice import Notice, NotTold, as_json
from postward.holds.registry import CannotAsk

_TIMEOUT = 5.0
_MOST = 65_536


def signature(secret: str, at: int, body: bytes) -> str:
    """The value of `X-Postward-Signature`."""
    mark = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={mark}"


@dataclass(frozen=True, slots=True)
class ByWebhook:
    """`url`: https, or http to loopback. `private`: its address need not be on the public Internet.
    `retries`: seconds to wait before each further try.
    """

    url: str
    secret: str = field(repr=False)
    https: Https
    private: bool = False
    retries: tuple[float, ...] = (1.0, 4.0)

    name = "webhook"
    pause = 10.0
    """Seconds between two requests at least."""

    async def send(self, notice: Notice) -> None:
        """Deliver one notice. Raises NotTold."""
        body = json.dumps(as_json(notice)).encode()
        why = ""
        for wait in (0.0, *self.retries):
            await asyncio.sleep(wait)
            why, again = await self._post(body, int(notice.at))
            if not why:
                return
            if not again:
                break
        raise NotTold(why)

    async def _post(self, body: bytes, at: int) -> tuple[str, bool]:
        """What went wrong, empty for nothing; and whether to try again."""
        headers = {
            "Content-Type": "application/json",
            "X-Postward-Signature": signature(self.secret, at, body),
        }
        try:
            host = host_of(self.url)
            reach = Reach(frozenset({host}), frozenset({host} if self.private else ()), plain=True)
            async with asyncio.timeout(_TIMEOUT):
                reply = await self.https.request(
                    "POST", self.url, reach, headers=headers, content=body, most=_MOST
                )
        except TimeoutError:
            return f"no answer in {_TIMEOUT:g} s", True
        except CannotAsk as error:
            return str(error), True
        if 200 <= reply.status < 300:
            return "", False
        return f"the receiver answered {reply.status}", reply.status >= 500 or reply.status == 429
