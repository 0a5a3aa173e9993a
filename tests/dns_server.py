"""A small DNS server on loopback, UDP and TCP, that can misbehave in each of the ways that matter.

    async with DnsServer("mx.example. A 192.0.2.1") as server:
        server.mode = "SERVFAIL"
        resolver = Resolver([server.address], ...)

Modes: `answer`, `SERVFAIL`, `REFUSED`, `silence`, `truncate` (UDP says TC, TCP has it all),
`always-truncated`, `garbage`, `short` (five octets), `wrong-id`, `wrong-question`, `lower-case`
(does not keep the question's letters), `huge` (a TCP reply beyond all bounds), `cut` (TCP closed in
the middle), `wait` (answers when `go` is set), `no-soa` (denials without SOA).
"""

import asyncio
import socket
import textwrap
from types import TracebackType
from typing import Any, cast

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.zone

_SOA_TTL, _SOA_MINIMUM = 600, 60


class DnsServer:
    """`asked` lists (transport, type, name as it came); `address` is (host, port)."""

    def __init__(self, zone: str = "", mode: str = "answer") -> None:
        self.mode = mode
        self.asked: list[tuple[str, str, str]] = []
        self.go = asyncio.Event()
        self._news = asyncio.Event()
        self.follows_aliases = True
        lines = "$TTL 300\n" + textwrap.dedent(zone) + "\n"
        self._zone = dns.zone.from_text(lines, origin=".", relativize=False, check_origin=False)
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "DnsServer":
        loop = asyncio.get_running_loop()
        self._tcp = await asyncio.start_server(self._serve_tcp, "127.0.0.1", 0)
        self.address: tuple[str, int] = self._tcp.sockets[0].getsockname()[:2]
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Udp(self), local_addr=self.address)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._udp.close()
        self._tcp.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def count(self, transport: str = "udp") -> int:
        """How many queries came by `transport`."""
        return sum(1 for each in self.asked if each[0] == transport)

    async def reached(self, queries: int) -> None:
        """Until so many queries have come."""
        while len(self.asked) < queries:
            self._news.clear()
            await self._news.wait()

    def take(self, data: bytes, transport: asyncio.DatagramTransport, client: Any) -> None:
        """One datagram."""
        task = asyncio.get_running_loop().create_task(self._serve_udp(data, transport, client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve_udp(self, data: bytes, transport: asyncio.DatagramTransport, client: Any) -> None:
        query = self._read("udp", data)
        if self.mode == "wait":
            await self.go.wait()
        match self.mode:
            case "silence":
                return
            case "garbage":
                replies = [data[:2] + b"\x81\x80" + data[4:6] + b"\xff" * 6 + data[12:] + b"\xc0\xff" * 20]
            case "short":
                replies = [b"\0" * 5] * 12
            case "wrong-id":
                replies = [bytes([data[0] ^ 1]) + self._reply(query)[1:]]
            case "wrong-question":
                other = dns.message.make_query("other.example.", "A", id=query.id)
                replies = [self._reply(other)]
            case "lower-case":
                reply = self._reply(query)
                replies = [reply[:12] + reply[12:].lower()]
            case "truncate" | "always-truncated" | "huge" | "cut":
                short = dns.message.make_response(query)
                short.flags |= dns.flags.TC
                replies = [short.to_wire()]
            case _:
                replies = [self._reply(query)]
        for reply in replies:
            transport.sendto(reply, client)

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2), "big")
        query = self._read("tcp", await reader.readexactly(length))
        reply = self._reply(query)
        match self.mode:
            case "huge":
                writer.write(b"\xff\xff" + reply.ljust(65_535, b"\0"))
            case "cut":
                writer.write(len(reply).to_bytes(2, "big") + reply[:-1])
            case "always-truncated":
                short = dns.message.make_response(query)
                short.flags |= dns.flags.TC
                wire = short.to_wire()
                writer.write(len(wire).to_bytes(2, "big") + wire)
            case _:
                writer.write(len(reply).to_bytes(2, "big") + reply)
        writer.close()

    def _read(self, transport: str, data: bytes) -> dns.message.Message:
        query = dns.message.from_wire(data)
        question = query.question[0]
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((transport, kind, question.name.to_text(omit_final_dot=True)))
        self._news.set()
        return query

    def _reply(self, query: dns.message.Message) -> bytes:
        reply = dns.message.make_response(query, recursion_available=True)
        if self.mode in ("SERVFAIL", "REFUSED"):
            reply.set_rcode(dns.rcode.from_text(self.mode))
            return reply.to_wire()
        name, kind = query.question[0].name, query.question[0].rdtype
        while True:
            alias = self._zone.get_rdataset(name, "CNAME")
            found = self._zone.get_rdataset(name, kind)
            if found is not None:
                reply.answer.append(dns.rrset.from_rdata_list(name, found.ttl, list(found)))
                return reply.to_wire(max_size=65_535)
            if alias is None:
                break
            reply.answer.append(dns.rrset.from_rdata_list(name, alias.ttl, list(alias)))
            name = alias[0].target
            if not self.follows_aliases or len(reply.answer) > 20:
                return reply.to_wire(max_size=65_535)
        if self._zone.get_node(name) is None:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        if self.mode != "no-soa":
            soa = f"ns.example. admin.example. 1 3600 600 86400 {_SOA_MINIMUM}"
            reply.authority.append(dns.rrset.from_text("example.", _SOA_TTL, "IN", "SOA", soa))
        return reply.to_wire()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._server.take(data, self._transport, addr)


def unused_port() -> int:
    """A UDP port of loopback where nobody listens (it was free a moment ago)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
