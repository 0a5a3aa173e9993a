"""When was a domain registered? Asked by RDAP (RFC 9082 3.1.3, RFC 9083 5.3), only where configured.

What cannot be told is never "new": a server that is down, slow, busy or lies gives an unknown age.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from postward.holds.https import Https, Reach, Reply, host_of
from postward.holds.registry import CannotAsk
from postward.state import Seen, StoreDown
from postward.tools import Clock

_MOST = 65_536
_REDIRECTS = 2
_ACCEPT = {"Accept": "application/rdap+json, application/json"}
_TYPES = frozenset({"application/rdap+json", "application/json"})
_FIRST = datetime(1985, 1, 1, tzinfo=UTC).timestamp()
"""symbolics.com, the first in .com, is of March 1985: an earlier date is a lie."""
_SLACK = 86_400.0  # that a registry's clock may be ahead
_BUSY, _LONGEST_BUSY = 60.0, 3_600.0
_NOT_THERE = "not registered"


@dataclass(frozen=True, slots=True)
class RdapServer:
    """The base address of a server, `https://...`. `private`: it may have a private address."""

    url: str
    private: bool = False


@dataclass(frozen=True, slots=True)
class RdapSettings:
    """`servers`: by the end of a domain name (`com`, `co.uk`; `*` for all others). `hosts`: all that
    may be asked, redirects included. `timeout`, `cache`, `pace`: seconds; `pace` between two requests.
    """

    servers: Mapping[str, RdapServer]
    hosts: frozenset[str]
    timeout: float = 5.0
    cache: float = 7 * 86_400.0
    pace: float = 1.0


class Rdap:
    """`postward.holds.registry.Registry`: asks not faster than one each `pace` seconds."""

    def __init__(self, settings: RdapSettings, https: Https, clock: Clock) -> None:
        self._settings = settings
        self._https = https
        self._clock = clock
        self._turn = asyncio.Lock()
        self._next = 0.0
        self._busy_until: dict[str, float] = {}

    async def registered(self, domain: str, seen: Seen) -> str:
        server = self._server_for(domain)
        if server is None:
            raise CannotAsk("no RDAP server is configured for it")
        now = self._clock.wall()
        key = f"rdap {domain}"
        try:
            held = await seen.find(key, now=now)
        except StoreDown as error:
            raise CannotAsk(f"store: {error}") from error
        if held is not None and held.value:
            return held.value
        try:
            async with asyncio.timeout(self._settings.timeout):
                answer = await self._ask(domain, server)
        except TimeoutError:
            raise CannotAsk(f"no answer in {self._settings.timeout:g} s") from None
        seen.note(key, now=now, keep=self._settings.cache, value=answer)
        return answer

    def _server_for(self, domain: str) -> RdapServer | None:
        labels = domain.split(".")
        ends = (".".join(labels[start:]) for start in range(1, len(labels)))
        servers = self._settings.servers
        return next((servers[end] for end in ends if end in servers), servers.get("*"))

    async def _ask(self, domain: str, server: RdapServer) -> str:
        if self._busy_until.get(server.url, 0.0) > self._clock.monotonic():
            raise CannotAsk("the server asked us to wait")
        url = f"{server.url.rstrip('/')}/domain/{quote(domain, safe='')}"
        private = frozenset({host_of(server.url)} if server.private else ())
        reach = Reach(self._settings.hosts, private, redirects=_REDIRECTS)
        async with self._turn:
            loop = asyncio.get_running_loop()
            await asyncio.sleep(max(self._next - loop.time(), 0.0))
            self._next = loop.time() + self._settings.pace
        reply = await self._https.request("GET", url, reach, headers=_ACCEPT, most=_MOST)
        if reply.status == 429:
            self._busy_until[server.url] = self._clock.monotonic() + _wait(reply)
            raise CannotAsk("the server is busy (429)")
        if reply.status == 404:  # RFC 7480 5.3
            return _NOT_THERE
        if reply.status != 200:
            raise CannotAsk(f"the server answered {reply.status}")
        return _date_in(reply, domain, self._clock.wall())


def _wait(reply: Reply) -> float:
    """RFC 9110 10.2.3, where it is a number."""
    text = reply.headers.get("retry-after", "")
    asked = float(text) if text.isascii() and text.isdigit() and len(text) < 8 else _BUSY
    return min(max(asked, 1.0), _LONGEST_BUSY)


def _date_in(reply: Reply, domain: str, now: float) -> str:
    """The registration's day, in an answer about this very domain. Raises CannotAsk."""
    kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _TYPES:
        raise CannotAsk("the answer is no JSON")
    try:
        told = json.loads(reply.body)
    except (ValueError, RecursionError) as error:  # the parser stops at the interpreter's depth
        raise CannotAsk("the answer is broken JSON") from error
    if not isinstance(told, dict):
        raise CannotAsk("the answer is about nothing")
    name = told.get("ldhName")
    if not isinstance(name, str) or name.lower().removesuffix(".") != domain:
        raise CannotAsk("the answer is about another domain")
    at = _registration(told.get("events"))
    if at is None:
        raise CannotAsk("the answer tells no date of registration")
    if not _FIRST <= at.timestamp() <= now + _SLACK:
        raise CannotAsk("the answer tells an impossible date")
    return at.date().isoformat()


def _registration(events: Any) -> datetime | None:
    """RFC 9083 4.5: the date of the event `registration`."""
    for event in events if isinstance(events, list) else ():
        if not isinstance(event, dict) or event.get("eventAction") != "registration":
            continue
        text = event.get("eventDate")
        try:
            at = datetime.fromisoformat(text) if isinstance(text, str) and len(text) < 40 else None
            if at is not None:
                return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    return None
