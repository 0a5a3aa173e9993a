"""The evaluation of SPF records: pyspf's reading of RFC 7208 on top of our own look-ups.

pyspf waits for each look-up in turn. Here it asks nothing itself: what is in the cache is answered
in place; for what is not, a harmless value stands in and the evaluation goes on, so that all that
may be needed is asked for at the same time. It is exact up to the first value that stood in; when
that one is answered it is done again, until nothing stood in.

Differences from pyspf, each towards the RFC: an explanation is fetched only after a fail (6.2), DNS
trouble under `ptr` passes over the name (5.5), a long name loses as many labels as it must (7.3).
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import spf as pyspf

from postward import eager
from postward.derive.spf_breadth import Breadth, Granted
from postward.mail import IPAddress
from postward.printable import printable
from postward.tools import Answer, Clock, Dns, Records, Trouble

MAX_SECONDS = 20.0  # RFC 7208 4.6.4: "at least 20 seconds"
MAX_QUERIES = 111  # the policy, and 10 terms of 1 + 10 queries each (RFC 7208 4.6.4)
_MAX_AHEAD = 40  # queries that may have been begun before it is certain that they are needed
_MAX_RECORD = 8_192
_MAX_TERM = 512  # octets; pyspf's patterns need time that grows with the square of this
_MAX_NAME = 253  # RFC 7208 7.3
_MAX_ADDRESSES = (
    100  # of one name; a reply of 16 kB holds a thousand, and a policy may name a hundred of those
)
_MAX_EXPLANATION = 300
_MAX_PROBLEM = 200
_MAX_TTL = 86_400
_STANDS_IN: dict[str, list[Any]] = {"TXT": [(b"v=spf1 ?all",)]}
# Macros whose value differs between mails of the same client and domain (RFC 7208 7.2).
_PERSONAL = re.compile(r"%\{[lsh]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom the policy is asked about: `domain` and the values of its macros (RFC 7208 4.1)."""

    client: IPAddress
    domain: str
    local: str
    helo: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """A result of RFC 7208 2.6 that holds for `ttl` seconds.

    `explanation` is the domain owner's text, hostile, but bounded and printable ASCII; `problem` is
    why it is permerror or temperror; `personal`: another local part or HELO may give another result.
    `breadth`, of a pass: how many others pass too.
    """

    result: str
    explanation: str = ""
    problem: str = ""
    ttl: int = 0
    personal: bool = False
    breadth: Breadth = ""


async def evaluate(subject: Subject, dns: Dns, clock: Clock) -> Outcome:
    """The policy's word on `subject`. Never raises for what the DNS holds."""
    until = clock.monotonic() + MAX_SECONDS
    look_ups = _LookUps(dns, subject.client)
    try:
        while True:
            look_ups.begin_round()
            query = _Query(subject, look_ups, clock.wall())
            outcome = query.outcome()
            if not look_ups.missed:
                return outcome
            if not await look_ups.wait(look_ups.missed[0], until - clock.monotonic()):
                return Outcome("temperror", problem=f"took longer than {MAX_SECONDS:g} s")
    finally:
        look_ups.give_up()


@dataclass(frozen=True, slots=True)
class _Promised:
    """Stands where pyspf puts the explanation, until it is known to be wanted."""

    name: str
    domain: str


_Key = tuple[str, str]
"""(record type, name in lower case); the name of the client's own PTR query is empty."""


class _LookUps:
    """The look-ups of one evaluation: answered, under way, and `missed` in this round."""

    def __init__(self, dns: Dns, client: IPAddress) -> None:
        self._dns = dns
        self._client = client
        self._answers: dict[_Key, Answer[Any]] = {}
        self._under_way: dict[_Key, asyncio.Task[Answer[Any]]] = {}
        self.missed: list[_Key] = []
        self.ttl = _MAX_TTL

    def get(self, key: _Key) -> Answer[Any] | None:
        """The answer; `None`, and noted as missed, while it is not there."""
        answer = self._answers.get(key) or self._answered(key) or self._begun(key)
        if answer is None:
            self.missed.append(key)
        elif not isinstance(answer, Trouble):
            self.ttl = min(self.ttl, answer.ttl)
        return answer

    def begin_round(self) -> None:
        """Forget what the last round missed and used."""
        self.missed.clear()
        self.ttl = _MAX_TTL

    async def wait(self, key: _Key, seconds: float) -> bool:
        """Whether `key` was answered within `seconds`."""
        task = self._under_way[key]
        if seconds > 0:
            await asyncio.wait({task}, timeout=seconds)
        return task.done()

    def give_up(self) -> None:
        """Nobody waits any longer for what is under way."""
        for task in self._under_way.values():
            task.cancel()

    def _answered(self, key: _Key) -> Answer[Any] | None:
        task = self._under_way.get(key)
        if task is None or not task.done():
            return None
        del self._under_way[key]
        answer = self._answers[key] = task.result()
        return answer

    def _begun(self, key: _Key) -> Answer[Any] | None:
        """Begin the look-up: answered at once from the cache, or under way."""
        begun = len(self._answers) + len(self._under_way)
        if key in self._under_way or (self.missed and begun >= _MAX_AHEAD):
            return None
        if begun >= MAX_QUERIES:
            raise pyspf.PermError(f"more than {MAX_QUERIES} DNS queries")
        started = eager.start(self._question(*key))
        if isinstance(started, eager.Ready):
            self._answers[key] = started.value
            return started.value
        self._under_way[key] = started
        return None

    def _question(self, kind: str, name: str) -> Coroutine[Any, Any, Answer[Any]]:
        match kind:
            case "A":
                return self._dns.a(name)
            case "AAAA":
                return self._dns.aaaa(name)
            case "MX":
                return self._dns.mx(name)
            case "PTR":
                return self._dns.ptr(self._client)
            case _:
                return self._dns.txt(name)


class _Query(pyspf.query):  # type: ignore[misc]  # pyspf has no types
    """One round of evaluation. The names of attributes and overridden methods are pyspf's."""

    def __init__(self, subject: Subject, look_ups: _LookUps, now: float) -> None:
        super().__init__(i=str(subject.client), s=f"{subject.local}@{subject.domain}", h=subject.helo)
        # pyspf would cut a quoted local part at its first `@` and take the rest for the domain.
        self.l, self.o, self.d = subject.local, subject.domain, subject.domain  # pyspf's
        self.t = str(int(now))
        self.personal = False
        self._look_ups = look_ups
        self._granted = Granted(self.cidrmax)

    def outcome(self) -> Outcome:
        """What this round gives."""
        try:
            result, _, text = self.check()
        except Exception as error:  # noqa: BLE001  # pyspf lets whatever a crafted record breaks come out
            result, text = "permerror", f"Error: {type(error).__name__}: {error}"
        explanation = problem = ""
        if isinstance(text, _Promised):
            explanation = self._explanation(text) if result == "fail" else ""
        elif result in ("permerror", "temperror"):
            problem = printable(str(text).partition("Error: ")[2], _MAX_PROBLEM)
        breadth = self._granted.breadth() if result == "pass" else ""
        return Outcome(str(result), explanation, problem, self._look_ups.ttl, self.personal, breadth)

    def _explanation(self, promised: _Promised) -> str:
        """The text of `exp=`, empty when there is none that can be used (RFC 7208 6.2)."""
        answer = self._look_ups.get(("TXT", promised.name))
        if not isinstance(answer, Records) or len(answer.values) != 1:
            return ""
        text = b"".join(answer.values[0])[:_MAX_TERM]
        self.d = promised.domain
        try:
            # Word by word: pyspf shortens what it expands to the length of a name.
            words = [self.expand(word, stripdot=False) for word in text.decode("ascii").split(" ")]
        except (pyspf.PermError, pyspf.TempError, ValueError):
            return ""
        cut = " ".join(words)[:_MAX_EXPLANATION]
        return "".join(char if " " <= char <= "~" else "?" for char in cut)

    def dns(self, name: str, qtype: str, cnames: object = None, ignore_void: bool = False) -> list[Any]:
        """Records as pyspf wants them. Our look-ups have followed CNAMEs already."""
        name = str(name).removesuffix(".").lower()
        if not all(0 < len(label) < 64 for label in name.split(".")):
            return []
        return self._records((qtype, name), ignore_void)

    def _records(self, key: _Key, ignore_void: bool = False) -> list[Any]:
        answer = self._look_ups.get(key)
        if answer is None:
            return list(_STANDS_IN.get(key[0], ()))
        if isinstance(answer, Records):
            return list(answer.values[:_MAX_ADDRESSES] if key[0] in ("A", "AAAA") else answer.values)
        if isinstance(answer, Trouble):
            raise pyspf.TempError(f"DNS {answer.why}", key[1])
        if not ignore_void:
            self.void_lookups += 1
            if self.void_lookups > pyspf.MAX_VOID_LOOKUPS:
                raise pyspf.PermError(f"void lookup limit of {pyspf.MAX_VOID_LOOKUPS} exceeded")
        return []

    def dns_ptr(self, i: str) -> list[Any]:
        return self._records(("PTR", ""))

    def validated_ptrs(self) -> list[str]:
        """Names of the client that resolve back to it; trouble skips the name (RFC 7208 5.5)."""
        try:
            names = self.dns_ptr(self.i)[: pyspf.MAX_PTR]
        except pyspf.TempError:
            return []
        return [name for name in names if self._resolves_back(name)]

    def _resolves_back(self, name: str) -> bool:
        try:
            return self.cidrmatch(self.dns_a(name, self.A), self.cidrmax)
        except pyspf.TempError:
            return False

    def cidrmatch(self, ipaddrs: list[str], n: int) -> bool:
        """Whether the first `n` bits of one of `ipaddrs` are the client's."""
        family = socket.AF_INET if self.cidrmax == 32 else socket.AF_INET6
        shift = self.cidrmax - n
        own = int(self.ipaddr) >> shift
        return any(int.from_bytes(socket.inet_pton(family, text), "big") >> shift == own for text in ipaddrs)

    def expand(self, s: str, stripdot: bool = True) -> str:
        if "%" not in s and len(s) <= _MAX_NAME:
            return s.removesuffix(".") if stripdot else s
        if _PERSONAL.search(s):
            self.personal = True
        expanded: str = super().expand(s, stripdot)
        while stripdot and len(expanded) > _MAX_NAME and "." in expanded:
            expanded = expanded.partition(".")[2]  # RFC 7208 7.3: labels go from the left
        return expanded

    def check0(self, spf: str | None, recursion: int) -> Any:
        if spf and (len(spf) > _MAX_RECORD or max(map(len, spf.split(" "))) > _MAX_TERM):
            raise pyspf.PermError("record too long")
        self._granted.included = recursion > 0  # pyspf reads all terms before it follows the first
        answer = super().check0(spf, recursion)
        self._granted.matched(answer[0])
        return answer

    def validate_mechanism(self, mech: str) -> tuple[str, str, str, int, str]:
        text, kind, argument, prefix, result = super().validate_mechanism(mech)
        return text, kind, argument, prefix, self._granted.term(text, kind, argument, prefix, result)

    def get_explanation(self, spec: str) -> _Promised:
        return _Promised(spec.lower(), self.d)


def client_of(address: IPAddress) -> IPAddress:
    """The address that the policy is asked about: IPv4 where IPv6 only wraps it (RFC 7208 5)."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
