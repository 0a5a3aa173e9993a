"""What the client calls itself: the form of its HELO name, and whether that name leads to it.

RFC 5321 4.1.1.1: the name by which the client is known in the DNS, or an address literal.
"""

import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from postward.address import MAX_DOMAIN, normal_domain
from postward.mail import IPAddress, Mail
from postward.tools import Records, Tools, Trouble

Form = Literal["missing", "bare_ip", "invalid", "literal", "not_fqdn", "fqdn"]


@dataclass(frozen=True, slots=True)
class Greeting:
    """Where the HELO name leads.

    `own`: `name` has the client's address. `other`: it has addresses, all of others. `nothing`: it has
    none of the client's family. `temperror`: the DNS could not tell, `why` is for the log. `none`: it is
    no full host name, or the mail came by sendmail(1).
    """

    kind: Literal["own", "other", "nothing", "temperror", "none"]
    name: str = ""
    why: str = ""


async def greeting(mail: Mail, tools: Tools) -> Greeting:
    """Looked up once a client. Reads client_address and helo_name."""
    return await tools.once_for_client("greeting", lambda: _greeting(mail, tools))


async def _greeting(mail: Mail, tools: Tools) -> Greeting:
    form, name = form_of(mail.helo_name)
    client = mail.client_address
    if form != "fqdn" or client is None:
        return Greeting("none", name)
    answer = await (tools.dns.a(name) if client.version == 4 else tools.dns.aaaa(name))
    if isinstance(answer, Trouble):
        return Greeting("temperror", name, answer.why)
    if not isinstance(answer, Records):
        return Greeting("nothing", name)
    return Greeting("own" if str(client) in answer.values else "other", name)


def form_of(helo: str) -> tuple[Form, str]:
    """What `helo` is, and its normal form where it has one (`literal`, `not_fqdn`, `fqdn`)."""
    return _form_of(helo) if len(helo) <= 2 * MAX_DOMAIN else ("invalid", "")


@lru_cache(maxsize=4096)
def _form_of(helo: str) -> tuple[Form, str]:
    text = helo.strip(" \t")
    if not text:
        return "missing", ""
    if as_address(text.removesuffix(".")) is not None:
        return "bare_ip", ""
    # RFC 6531 3.7.1: a name in HELO is ASCII, also where the mail is not.
    name = normal_domain(text) if text.isascii() else None
    if name is None:
        return "invalid", ""
    if name.startswith("["):
        return "literal", name
    if name.rpartition(".")[2].isdigit():
        return "invalid", ""  # RFC 3696 2: a top-level domain is never all digits
    return ("fqdn" if "." in name else "not_fqdn"), name


def as_address(text: str) -> IPAddress | None:
    """The address that `text` is, without brackets."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
