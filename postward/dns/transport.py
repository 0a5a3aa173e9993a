"""One question to one server: UDP from a random port, TCP when the answer does not fit.

What does not answer the question is not looked at; whoever floods us with guesses drives us to TCP
(RFC 5452 9).
"""

import asyncio

from postward.dns import wire
from postward.dns.reader import BadReply

Server = tuple[str, int]
"""Address and port."""

_MAX_STRAYS = 10


async def exchange(server: Server, name: bytes, kind: int, within: float) -> bytes:
    """The server's reply. Raises `TimeoutError` after `within` seconds, `OSError`, `BadReply`."""
    query = wire.ask(name, kind)
    async with asyncio.timeout(within):
        reply = await _by_udp(server, query)
        if reply is None or wire.is_truncated(reply):
            return await _by_tcp(server, query, kind)
    return reply[: _enough(len(reply), kind)]


def _enough(length: int, kind: int) -> int:
    """How much is read of a reply of `length` octets; of names of an address the first part will do."""
    limit = wire.limit(kind)
    if length > limit and kind != wire.PTR:
        raise BadReply(f"a reply of {length} octets")
    return min(length, limit)


class _Asking(asyncio.DatagramProtocol):
    """Waits for what answers the query; `None` means: ask over TCP."""

    def __init__(self, query: bytes, reply: "asyncio.Future[bytes | None]") -> None:
        self._query = query
        self._reply = reply
        self._strays = 0

    def datagram_received(self, data: bytes, _addr: object) -> None:
        if self._reply.done():
            return
        if wire.replies_to(data, self._query):
            # A server that does not keep our letters' case is heard over TCP, where nobody forges.
            self._reply.set_result(data if wire.same_case(data, self._query) else None)
            return
        self._strays += 1
        if self._strays >= _MAX_STRAYS:
            self._reply.set_result(None)

    def error_received(self, exc: Exception) -> None:
        if not self._reply.done():
            self._reply.set_exception(exc)


async def _by_udp(server: Server, query: bytes) -> bytes | None:
    loop = asyncio.get_running_loop()
    reply: asyncio.Future[bytes | None] = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Asking(query, reply), remote_addr=server)
    try:
        transport.sendto(query)
        return await reply
    finally:
        transport.close()


async def _by_tcp(server: Server, query: bytes, kind: int) -> bytes:
    """RFC 7766 8: the message after its length in two octets."""
    reader, writer = await asyncio.open_connection(*server, limit=wire.MAX_TEXT + 2)
    try:
        writer.write(len(query).to_bytes(2, "big") + query)
        length = int.from_bytes(await reader.readexactly(2), "big")
        reply = await reader.readexactly(_enough(length, kind))
    except EOFError as error:
        raise BadReply("connection closed in the middle of a reply") from error
    finally:
        writer.close()
    if not wire.replies_to(reply, query) or wire.is_truncated(reply):
        raise BadReply("a reply to another question")
    return reply
