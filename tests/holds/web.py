"""A web server with a certificate of its own authority, that answers as the test says."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trustme

Answer = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]
AUTHORITY = trustme.CA()


def trusting() -> ssl.SSLContext:
    """A context that trusts the test's authority alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    AUTHORITY.configure_trust(context)
    return context


def reply(body: bytes, status: str = "200 OK", kind: str = "application/rdap+json", more: str = "") -> bytes:
    """One HTTP reply."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


def redirect(location: str) -> bytes:
    """A reply that sends the client elsewhere."""
    return reply(b"", "302 Found", more=f"Location: {location}\r\n")


@dataclass
class Web:
    """The server; `answers` in turn, the last one for ever. `requests`: what it was asked."""

    port: int = 0
    answers: list[Answer] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (
                    int(line[15:])
                    for line in head.lower().split(b"\r\n")
                    if line.startswith(b"content-length:")
                ),
                0,
            )
            self.requests.append(head + await reader.readexactly(length))
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client had enough
        finally:
            writer.close()


@asynccontextmanager
async def serving(
    *answers: Answer, names: tuple[str, ...] = ("rdap.example",), tls: bool = True
) -> AsyncIterator[Web]:
    """A server on 127.0.0.1 with a certificate for `names`."""
    web = Web(answers=list(answers))
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        AUTHORITY.issue_cert(*names).configure_cert(context)
    server = await asyncio.start_server(web.serve, "127.0.0.1", 0, ssl=context)
    web.port = server.sockets[0].getsockname()[1]
    try:
        yield web
    finally:
        server.close()
        await server.wait_closed()
