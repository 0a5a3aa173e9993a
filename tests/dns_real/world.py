"""A DNS full of hostile zones: a real unbound before a real nsd and servers that lie by script.

Each hostile case is one client address, whose HELO name and sender domain are the case's domain; all
of its records, forward and reverse, are of the kind that the case is named for.
"""

import asyncio
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.dns import Dns, Unbound

from tests.dns_server import DnsServer


@dataclass(frozen=True, slots=True)
class Case:
    """One hostile client. `name` is that of its domain too."""

    name: str
    client: str
    domain: str

    @property
    def reverse(self) -> str:
        """The name that its PTR record has, or the zone that it lies in."""
        return ".".join(reversed(self.client.split("."))) + ".in-addr.arpa"


def _case(name: str, network: str, number: int) -> Case:
    return Case(name, f"{network}.{number}", f"{name.lower()}.hostile")


LYING = tuple(
    _case(mode, "203.0.113", number)
    for number, mode in enumerate(
        (
            *("SERVFAIL", "REFUSED", "silence", "garbage", "short", "wrong-id", "wrong-question"),
            *("always-truncated", "cut"),
        ),
        start=1,
    )
)
"""What a server does that no real one can be told to do (`tests.dns_server`)."""
HONEST = tuple(
    _case(mode, "192.0.2", number)
    for number, mode in enumerate(("answer", "truncate", "lower-case", "huge"), start=101)
)
"""What is unusual, and must not cost an honest client anything."""

_NAMES = {"nul": "a\\000b", "eightbit": "\\255\\254", "markup": "<script>alert(1)</script>", "dot": "a\\.b"}
ZONES = tuple(
    _case(name, "198.51.100", number)
    for number, name in enumerate((*_NAMES, "ring", "many", "broken", "lame"), start=1)
)
"""What a real server says: names that no host has, CNAME loops, floods, no zone, nobody there."""
HOSTILE = (*LYING, *ZONES)


def _honest_zone(case: Case) -> str:
    return (
        f"{case.domain}. A {case.client}\n{case.domain}. MX 10 {case.domain}.\n"
        f'{case.domain}. TXT "v=spf1 a -all"\n{case.reverse}. PTR {case.domain}.\n'
    )


def _hostile_zone(case: Case) -> str:
    name, reverse = case.domain, case.reverse
    match case.name:
        case "ring":
            return (
                f"{name}. CNAME x.{name}.\nx.{name}. CNAME {name}.\n"
                f"{reverse}. CNAME x.{reverse}.\nx.{reverse}. CNAME {reverse}.\n"
            )
        case "many":
            addresses = "".join(f"{name}. A 198.18.{n // 250}.{n % 250}\n" for n in range(1_100))
            hosts = "".join(
                f"{reverse}. PTR h{n}.{name}.\n{name}. MX {n} h{n}.{name}.\n" for n in range(1_000)
            )
            text = " ".join(['"' + "x" * 250 + '"'] * 240)
            return f"{addresses}{hosts}{name}. TXT {text}\n"
        case "broken":
            return ""
        case "lame":
            # Nobody listens there; a server that hangs is `silence`.
            return f"{name}. NS ns.{name}.\nns.{name}. A 127.77.0.1\n{reverse}. NS ns.{name}.\n"
        case _:
            host = f"{_NAMES[case.name]}.{name}."
            return f'{name}. MX 10 {host}\n{name}. TXT "v=spf1 mx -all"\n{reverse}. PTR {host}\n'


class Liars:
    """The scripted servers, in a thread of their own: those who ask are other processes too."""

    def __init__(self, cases: tuple[Case, ...]) -> None:
        self._cases = cases
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self.ports: dict[str, int] = {}
        """Zone (a case's domain and its reverse name) -> port."""

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        # A client that closes early is no trouble of ours.
        self._loop.set_exception_handler(lambda _loop, _context: None)
        servers = [DnsServer(_honest_zone(case), case.name) for case in self._cases]
        for server, case in zip(servers, self._cases, strict=True):
            await server.__aenter__()
            self.ports[case.domain] = self.ports[case.reverse] = server.address[1]
        self._up.set()
        await self._end.wait()
        for server in servers:
            await server.__aexit__(None, None, None)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._up.wait(20)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()


class World:
    """All of it; `address` is unbound's."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            liars = stack.enter_context(Liars((*LYING, *HONEST)))
            (broken,) = (case for case in ZONES if case.name == "broken")
            zone = "".join(map(_hostile_zone, ZONES))
            nsd = stack.enter_context(Dns(self._home / "nsd", zone, broken=(broken.domain, broken.reverse)))
            unbound = stack.enter_context(Unbound(self._home / "unbound", nsd.port, liars.ports))
            self.address = ("127.0.0.1", unbound.port)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
