"""Does the client's reverse name resolve back to its address? (RFC 8601 3, "iprev")

Postfix tells "no PTR" and "the DNS did not answer" in the same word, `unknown`. Our own look-ups
keep them apart: only the first says something about the client.
"""

import ipaddress
from dataclasses import dataclass
from typing import Literal

from postward import eager
from postward.mail import IPAddress, Mail
from postward.tools import Dns, Records, Tools, Trouble


@dataclass(frozen=True, slots=True)
class Iprev:
    """What the reverse look-up gave.

    `pass`: `name` resolves back to the client. `missing`: no PTR record (NXDOMAIN or NODATA).
    `mismatch`: there is a PTR record, `name` is its first, and no name of it resolves back.
    `temperror`: the DNS could not tell, `why` is for the log. `none`: mail that came by sendmail(1).
    """

    kind: Literal["pass", "missing", "mismatch", "temperror", "none"]
    name: str = ""
    why: str = ""


async def iprev(mail: Mail, tools: Tools) -> Iprev:
    """The client's reverse name, looked up once a message. Reads client_address."""
    return await tools.once("iprev", lambda: _iprev(mail.client_address, tools.dns))


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
    begun = [eager.start(forward(name)) for name in names]
    trouble = ""
    try:
        for name, look in zip(names, begun, strict=True):
            answer = look.value if isinstance(look, eager.Ready) else await look
            if isinstance(answer, Trouble):
                trouble = trouble or f"{name}: {answer.why}"
            elif isinstance(answer, Records) and _holds(answer.values, client):
                return Iprev("pass", name)
    finally:
        for look in begun:
            if not isinstance(look, eager.Ready):
                look.cancel()
    if trouble:
        return Iprev("temperror", names[0], trouble)
    return Iprev("mismatch", names[0])


def _holds(addresses: tuple[str, ...], client: IPAddress) -> bool:
    return any(ipaddress.ip_address(address) == client for address in addresses)
