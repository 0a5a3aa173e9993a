"""Does the client's reverse name resolve back to its address? (RFC 8601 3, "iprev")

Postfix tells "no PTR" and "the DNS did not answer" in the same word, `unknown`. Our own look-ups
keep them apart: only the first says something about the client. A name that was good is remembered,
because most honest mail without one comes from clients that have one at other times.
"""

import ipaddress
from dataclasses import dataclass, replace
from typing import Literal

from postward import eager
from postward.mail import IPAddress, Mail
from postward.network import holder_of
from postward.state import Sighting, StoreDown
from postward.tools import Answer, Dns, Records, Tools, Trouble

KEEP = 90 * 86_400
"""Seconds that a good name is remembered after it was last met."""
_AGAIN = 3_600.0
"""A good name that did not change is noted once in so many seconds."""


@dataclass(frozen=True, slots=True)
class Iprev:
    """What the reverse look-up gave.

    `pass`: `name` resolves back to the client. `missing`: no PTR record (NXDOMAIN or NODATA).
    `mismatch`: there is a PTR record, `name` is its first, and no name of it resolves back.
    `temperror`: the DNS could not tell, `why` is for the log. `none`: mail that came by sendmail(1).

    `before`: where it did not pass, the good name that is remembered (its value), of an IPv6 client that
    of any in its /64. `forgotten`: why the memory could not be asked; a client may then have had one.
    """

    kind: Literal["pass", "missing", "mismatch", "temperror", "none"]
    name: str = ""
    why: str = ""
    before: Sighting | None = None
    forgotten: str = ""


async def iprev(mail: Mail, tools: Tools) -> Iprev:
    """The client's reverse name, looked up once a client. Reads client_address."""
    return await tools.once_for_client("iprev", lambda: _remembering(mail.client_address, tools))


async def _remembering(client: IPAddress | None, tools: Tools) -> Iprev:
    found = await _iprev(client, tools.dns)
    if client is None:
        return found
    now = tools.clock.wall()
    if found.kind == "pass":
        _note(client, found.name, tools, now)
        return found
    try:
        before = await tools.store.seen.find(_key(client), now=now)
    except StoreDown as down:
        return replace(found, forgotten=str(down) or "the store is down")
    return replace(found, before=before) if before is not None and before.value else found


def _key(client: IPAddress) -> str:
    return f"rdns {holder_of(client)}"


def _note(client: IPAddress, name: str, tools: Tools, now: float) -> None:
    """A name that is new for an IPv4 client at once; of a /64, however many names it has, one an hour."""
    what = (client, name) if client.version == 4 else _key(client)
    if tools.lately.first("rdns", what, now=tools.clock.monotonic(), within=_AGAIN):
        tools.store.seen.note(_key(client), now=now, keep=KEEP, value=name)


async def _iprev(client: IPAddress | None, dns: Dns) -> Iprev:
    if client is None:
        return Iprev("none")
    names = await dns.ptr(client)
    if isinstance(names, Trouble):
        return Iprev("temperror", why=f"PTR: {names.why}")
    if not isinstance(names, Records):
        return Iprev("missing")
    return await _verified(client, names.values, dns)


async def _verified(client: IPAddress, names: tuple[str, ...], dns: Dns) -> Iprev:
    """The first of `names` that resolves back; all are looked up at the same time."""
    forward = dns.a if client.version == 4 else dns.aaaa
    if len(names) == 1:
        return _verdict(names, [await forward(names[0])], client)
    begun = [eager.start(forward(name)) for name in names]
    try:
        answers = []
        for look in begun:
            answers.append(look.value if isinstance(look, eager.Ready) else await look)
            if _holds(answers[-1], client):
                break
    finally:
        for look in begun:
            if not isinstance(look, eager.Ready):
                look.cancel()
    return _verdict(names, answers, client)


def _verdict(names: tuple[str, ...], answers: list[Answer[str]], client: IPAddress) -> Iprev:
    """`answers` are those to the first of `names`, in order."""
    for name, answer in zip(names, answers, strict=False):
        if _holds(answer, client):
            return Iprev("pass", name)
    for name, answer in zip(names, answers, strict=False):
        if isinstance(answer, Trouble):
            return Iprev("temperror", names[0], f"{name}: {answer.why}")
    return Iprev("mismatch", names[0])


def _holds(answer: Answer[str], client: IPAddress) -> bool:
    if not isinstance(answer, Records):
        return False
    # One address can be written in several ways, but nearly always it is written in this one.
    return str(client) in answer.values or any(ipaddress.ip_address(each) == client for each in answer.values)
