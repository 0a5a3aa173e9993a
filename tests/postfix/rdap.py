"""An RDAP server with the tests' own certificate, in a thread: those who ask are other processes."""

import asyncio
import json
import threading
from types import TracebackType
from typing import Self

from tests.holds.web import Web, reply, serving

REGISTERED = {"eventAction": "registration", "eventDate": "2026-11-20T10:00:00Z"}


class RdapServer:
    """Answers for `rdap.example` that `shop.registry` was registered two days ago."""

    def __init__(self) -> None:
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._web = Web()

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        body = json.dumps({"objectClassName": "domain", "ldhName": "shop.registry", "events": [REGISTERED]})
        async with serving(reply(body.encode())) as self._web:
            self._up.set()
            await self._end.wait()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._web.port

    @property
    def requests(self) -> list[bytes]:
        """What it was asked."""
        return self._web.requests

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._up.wait(20)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()
