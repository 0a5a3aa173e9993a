"""Requests to web servers that may not lead us into our own network (THREATS D6, W5).

The host's addresses are looked up and judged here, and the connection goes to the very address that
was judged: a name that changes its address meanwhile (DNS rebinding) gains nothing. TLS is verified
for the host's name. Redirects are followed only where they are asked for, each judged alike.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from postward.holds.registry import CannotAsk
from postward.mail import IPAddress
from postward.network import address_of, is_public
from postward.tools import Dns, Records, Trouble

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ADDRESSES = 2  # that are tried
_SLOWEST = 60.0  # seconds without a byte; the caller's deadline is shorter
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered; names of headers in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a request may go. `hosts`: names, or `name:port` where the port is not 443. `private`:
    those of them whose address need not be on the public Internet. `plain`: http too, to loopback.
    """

    hosts: frozenset[str]
    private: frozenset[str] = frozenset()
    plain: bool = False
    redirects: int = 0


def host_of(url: str) -> str:
    """The host of a URL as `Reach` spells it: `name`, or `name:port`. Raises CannotAsk."""
    target = _read(url)
    name = _name_of(target)
    return name if target.port is None else f"{name}:{target.port}"


def _name_of(target: httpx.URL) -> str:
    """The host as the DNS and certificates spell it: A-labels, no brackets."""
    return target.raw_host.decode("ascii")


class Https:
    """Asks by `dns`. Deadlines are the caller's: `async with asyncio.timeout(...)`."""

    def __init__(self, dns: Dns, context: ssl.SSLContext | None = None) -> None:
        self._dns = dns
        self._context = context if context is not None else ssl.create_default_context()

    async def request(
        self,
        method: str,
        url: str,
        reach: Reach,
        *,
        headers: Mapping[str, str],
        content: bytes | None = None,
        most: int = 65_536,
    ) -> Reply:
        """The reply, its body at most `most` octets. Raises CannotAsk."""
        for _ in range(reach.redirects + 1):
            reply = await self._once(method, url, reach, headers, content, most)
            if reply.status not in _REDIRECTS:
                return reply
            url = _joined(url, reply.headers.get("location", ""))
        raise CannotAsk("too many redirects" if reach.redirects else f"redirected ({reply.status})")

    async def _once(
        self,
        method: str,
        url: str,
        reach: Reach,
        headers: Mapping[str, str],
        content: bytes | None,
        most: int,
    ) -> Reply:
        target = _read(url)
        name, port = _name_of(target), target.port or _PORTS.get(target.scheme, 0)
        addresses = await self._judged(target, name, port, reach)
        where = target.netloc.decode("ascii")
        sent = {**headers, "Host": where, "Accept-Encoding": "identity"}
        trouble: Exception = CannotAsk(f"{name} has no address")
        limits = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(
            verify=self._context, trust_env=False, limits=limits, timeout=_SLOWEST, follow_redirects=False
        ) as client:
            for address in addresses[:_ADDRESSES]:
                request = client.build_request(
                    method,
                    target.copy_with(host=str(address), port=port),
                    headers=sent,
                    content=content,
                    extensions={"sni_hostname": name},
                )
                try:
                    return await _answered(client, request, most)
                except httpx.ConnectError as error:
                    trouble = CannotAsk(f"{name}: {error}")
                except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
                    raise CannotAsk(f"{name}: {error or type(error).__name__}") from error
        raise trouble

    async def _judged(self, target: httpx.URL, name: str, port: int, reach: Reach) -> list[IPAddress]:
        """The addresses of the host, if it may be asked. Raises CannotAsk."""
        if target.scheme != "https" and not (reach.plain and target.scheme == "http"):
            raise CannotAsk(f"{target.scheme or 'no scheme'} is not allowed")
        if target.userinfo:
            raise CannotAsk("a name or password in the address")
        allowed = {f"{name}:{port}"} | ({name} if port == _PORTS[target.scheme] else set())
        if reach.hosts.isdisjoint(allowed):
            raise CannotAsk(f"{name}:{port} is not among the allowed hosts")
        addresses = await self._addresses(name)
        if target.scheme == "http" and not all(each.is_loopback for each in addresses):
            raise CannotAsk("http is allowed to loopback only")
        if target.scheme == "https" and reach.private.isdisjoint(allowed):
            for each in addresses:
                if not is_public(each):
                    raise CannotAsk(f"{name} has the private address {each}")
        return addresses

    async def _addresses(self, name: str) -> list[IPAddress]:
        literal = address_of(name)
        if literal is not None:
            return [literal]
        answers = [await self._dns.a(name), await self._dns.aaaa(name)]
        texts = [text for answer in answers if isinstance(answer, Records) for text in answer.values]
        found = [address for text in texts if (address := address_of(text)) is not None]
        if not found:
            why = next((answer.why for answer in answers if isinstance(answer, Trouble)), "no such address")
            raise CannotAsk(f"{name}: {why}")
        return found


async def _answered(client: httpx.AsyncClient, request: httpx.Request, most: int) -> Reply:
    response = await client.send(request, stream=True)
    try:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise CannotAsk("the answer is compressed")
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > most:
                raise CannotAsk(f"the answer is larger than {most} octets")
    finally:
        await response.aclose()
    return Reply(response.status_code, dict(response.headers), bytes(body))


def _read(url: str) -> httpx.URL:
    try:
        return httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise CannotAsk(f"not an address of a web server: {error}") from error


def _joined(url: str, location: str) -> str:
    try:
        return str(httpx.URL(url).join(location))
    except (httpx.InvalidURL, ValueError) as error:
        raise CannotAsk(f"redirected to nowhere: {error}") from error
