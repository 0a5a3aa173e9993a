"""A DNS for tests: a zone file's text, and names that fail. Nothing else exists, nothing is asked.

    dns = ZoneDns(
        '''
        mx.example.org.            A    192.0.2.1
        1.2.0.192.in-addr.arpa.    PTR  mx.example.org.
        example.org.               TXT  "v=spf1 mx -all"
        ''',
        failing={"slow.example": "timeout", "example.org TXT": "SERVFAIL", "192.0.2.9": "SERVFAIL"},
    )

A name that the zone does not hold is NXDOMAIN, a type that a name does not have NODATA. A key of
`failing` is a name, a name and a type, or an address (its PTR query).
"""

import asyncio
import ipaddress
import textwrap
from collections.abc import Mapping
from typing import Any

import dns.name
import dns.rdatatype
import dns.zone

from postward.mail import IPAddress
from postward.tools import Answer, NoData, NoName, Records, Trouble

DEFAULT_TTL = 300
_MAX_CHAIN = 8


class ZoneDns:
    """Implements `postward.tools.Dns`. `queries` lists (type, name) in the order they were asked.

    Answers come at once, without a wait, unless `delay` (seconds) is given: then each query takes
    that long, which shows whether queries run at the same time.
    """

    def __init__(self, zone: str = "", failing: Mapping[str, str] | None = None, delay: float = 0.0) -> None:
        self.queries: list[tuple[str, str]] = []
        self.delay = delay
        self._failing = {_query_name(key): why for key, why in (failing or {}).items()}
        self._records: dict[tuple[str, str], tuple[Any, ...]] = {}
        self._ttls: dict[tuple[str, str], int] = {}
        self._names: set[str] = set()
        if zone.strip():
            self._load(zone)

    def _load(self, text: str) -> None:
        lines = f"$TTL {DEFAULT_TTL}\n" + textwrap.dedent(text)
        zone = dns.zone.from_text(lines, origin=".", relativize=False, check_origin=False)
        for name, rdataset in zone.iterate_rdatasets():
            kind = dns.rdatatype.to_text(rdataset.rdtype)
            values = tuple(_value(kind, rdata) for rdata in rdataset)
            self.add(_text(name), kind, *values, ttl=rdataset.ttl)

    def add(self, name: str, kind: str, *values: Any, ttl: int = DEFAULT_TTL) -> None:
        """More records, as the `Dns` gives them: TXT as tuples of bytes, MX as pairs."""
        name = name.lower()
        self._records[name, kind] = (*self._records.get((name, kind), ()), *values)
        self._ttls[name, kind] = ttl
        labels = name.split(".")
        self._names.update(".".join(labels[i:]) for i in range(len(labels)))

    def fail(self, query: str, why: str = "SERVFAIL") -> None:
        """From now on `query` (as a key of `failing`) fails."""
        self._failing[_query_name(query)] = why

    async def a(self, name: str) -> Answer[str]:
        return await self._ask(name, "A")

    async def aaaa(self, name: str) -> Answer[str]:
        return await self._ask(name, "AAAA")

    async def mx(self, name: str) -> Answer[tuple[int, str]]:
        return await self._ask(name, "MX")

    async def ns(self, name: str) -> Answer[str]:
        return await self._ask(name, "NS")

    async def txt(self, name: str) -> Answer[tuple[bytes, ...]]:
        return await self._ask(name, "TXT")

    async def ptr(self, address: IPAddress) -> Answer[str]:
        answer: Answer[str] = await self._ask(address.reverse_pointer, "PTR")
        return Records(answer.values[:10], answer.ttl) if isinstance(answer, Records) else answer

    async def _ask(self, name: str, kind: str) -> Answer[Any]:
        name = name.lower().removesuffix(".")
        self.queries.append((kind, name))
        if self.delay:
            await asyncio.sleep(self.delay)
        return self._answer(name, kind)

    def _answer(self, name: str, kind: str) -> Answer[Any]:
        for _ in range(_MAX_CHAIN):
            why = self._failing.get(name) or self._failing.get(f"{name} {kind}")
            if why is not None:
                return Trouble(why)
            values = self._records.get((name, kind))
            if values is not None:
                ordered = tuple(sorted(values)) if kind == "MX" else values
                return Records(ordered, self._ttls[name, kind])
            alias = self._records.get((name, "CNAME"))
            if alias is None:
                return NoData(DEFAULT_TTL) if name in self._names else NoName(DEFAULT_TTL)
            name = alias[0]
        return Trouble("CNAME chain too long")


def _value(kind: str, rdata: Any) -> Any:
    match kind:
        case "A" | "AAAA":
            return rdata.address
        case "PTR" | "CNAME" | "NS":
            return _text(rdata.target)
        case "MX":
            return (rdata.preference, _text(rdata.exchange))
        case "TXT":
            return rdata.strings
        case _:
            raise ValueError(f"no {kind} records in a test zone")


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


def _query_name(key: str) -> str:
    try:
        return ipaddress.ip_address(key).reverse_pointer
    except ValueError:
        name, _, kind = key.partition(" ")
        return f"{name.lower().removesuffix('.')} {kind}".rstrip()
