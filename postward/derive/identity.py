"""Who is knocking, as far as it is verified: what a rating, the greylist and what is learned go by.

Anybody can write any HELO and any sender. `host` is the organizational domain of a client name that
resolves back to the client and was not made up by a provider for each of its addresses; `domain`
that of a sender whose domain vouches for the client, by SPF, or by being the client's own while its
SPF record does not disown the client.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from postward.derive import rating_key
from postward.derive.generic_name import Grade, how_generic
from postward.derive.greeting import Greeting, greeting
from postward.derive.iprev import Iprev, iprev
from postward.derive.name_words import has_mail_word, line_words, words_of
from postward.derive.orgdomain import org_domain
from postward.derive.spf import SpfResult, spf
from postward.mail import IPAddress, Mail
from postward.network import cidr_of
from postward.tools import Tools

REMEMBERED = 30 * 86_400.0
"""Seconds that a name which resolved back speaks for the client while the DNS does not answer."""
_CUSTOMERS = frozenset(
    """client cliente clientes clients cust customer customers kunde kunden vps""".split()  # noqa: SIM905  # a table of words reads better as one
)
Of = Literal["client", "network", "asn", "host", "domain", "login"]
_KEYS = "rating keys"
FACTS: dict[Of, frozenset[str]] = {
    "client": frozenset({"client_address"}),
    "network": frozenset({"client_address"}),
    "asn": frozenset({"client_address"}),
    "host": frozenset({"client_address", "helo_name"}),
    "domain": frozenset({"client_address", "helo_name", "sender"}),
    "login": frozenset({"sasl_username"}),
}
"""The facts that a key is made from."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Verified organizational domains, each empty when there is none."""

    host: str = ""
    domain: str = ""


async def host_of(mail: Mail, tools: Tools) -> str:
    """The organizational domain of the client's verified name, or empty. Reads FACTS['host'].

    The name is that of the reverse DNS, else the HELO name if it leads to the client.
    """
    name = _name(await iprev(mail, tools), mail, tools)
    if not name:
        met = await greeting(mail, tools)
        name = met.name if met.kind == "own" else ""
    return _owner(name, mail.client_address)


async def domain_of(mail: Mail, tools: Tools) -> str:
    """The organizational domain of the sender if the client may speak for it. Reads FACTS['domain']."""
    org = _sender_org(mail)
    if not org:
        return ""
    return org if _vouched(await host_of(mail, tools) == org, await spf(mail, tools)) else ""


def known(mail: Mail, tools: Tools) -> Identity:
    """The same from what was looked up for this message already; nothing is asked."""
    named: Iprev | None = tools.made("iprev")
    name = _name(named, mail, tools) if named is not None else ""
    if not name:
        met: Greeting | None = tools.made("greeting")
        name = met.name if met is not None and met.kind == "own" else ""
    host = _owner(name, mail.known.get("client_address"))
    org = _sender_org(mail)
    return Identity(host, org if org and _vouched(host == org, tools.made("spf")) else "")


def rating_keys(mail: Mail, tools: Tools) -> tuple[str, ...]:
    """The keys of the ratings of who is knocking, as far as they are `known`.

    A login answers for itself alone: the line that its owner is on may be anybody's.
    """
    login = mail.known.get("sasl_username", "")
    if login:
        return (rating_key.key_of_login(login),)
    made: tuple[str, ...] | None = tools.made(_KEYS)
    if made is not None:
        return made
    address = mail.client_address
    if address is None:
        return ()
    keys: tuple[str, ...] = rating_key.keys_of_address(address)
    network = tools.networks.find(address)
    if network is not None:
        keys += (rating_key.key_of_asn(network.asn),)
    who = known(mail, tools)
    if who.host:
        keys += (rating_key.key_of_host(who.host),)
    if who.domain:
        keys += (rating_key.key_of_domain(who.domain),)
    return keys


async def all_rating_keys(mail: Mail, tools: Tools) -> tuple[str, ...]:
    """The same after what it takes was looked up. Reads all of `FACTS`."""
    if mail.sasl_username:
        return rating_keys(mail, tools)
    return await tools.once_for_domain(_KEYS, lambda: _all_keys(mail, tools))


async def _all_keys(mail: Mail, tools: Tools) -> tuple[str, ...]:
    await host_of(mail, tools)
    await domain_of(mail, tools)
    return rating_keys(mail, tools)


async def rating_key_of(of: Of, mail: Mail, tools: Tools) -> str:
    """The one key `of` this kind, or empty; looks up what it takes."""
    match of:
        case "login":
            return rating_key.key_of_login(mail.sasl_username) if mail.sasl_username else ""
        case "host":
            host = await host_of(mail, tools)
            return rating_key.key_of_host(host) if host else ""
        case "domain":
            domain = await domain_of(mail, tools)
            return rating_key.key_of_domain(domain) if domain else ""
    address = mail.client_address
    if address is None:
        return ""
    if of == "asn":
        network = tools.networks.find(address)
        return rating_key.key_of_asn(network.asn) if network is not None else ""
    return rating_key.keys_of_address(address)[0 if of == "client" else 1]


async def greylist_key(mail: Mail, tools: Tools) -> str:
    """By what a client is known when it comes again, perhaps from another address of its pool.

    `host:`, else `domain:`, else its /24 or /64. Empty for mail that came by sendmail(1).
    """
    address = mail.client_address
    if address is None:
        return ""
    host = await host_of(mail, tools)
    if host:
        return f"host:{host}"
    domain = await domain_of(mail, tools)
    return f"domain:{domain}" if domain else f"network:{cidr_of(address)}"


def _vouched(own: bool, result: SpfResult | None) -> bool:
    """Whether the client may speak for the sender's domain. `own`: its verified name is of that domain."""
    if result is None:
        return own
    return result.trustworthy or (own and result.result != "fail")


def _name(found: Iprev, mail: Mail, tools: Tools) -> str:
    """The reverse name that resolves back; where the DNS does not answer now, the one that did lately.

    A name that is gone speaks for nobody: the address may have another owner. Nor does what is
    remembered of a whole /64, where the neighbour may be somebody else.
    """
    if found.kind == "pass":
        return found.name
    before, address = found.before, mail.known.get("client_address")
    if before is None or found.kind != "temperror" or address is None or address.version != 4:
        return ""
    return before.value if tools.clock.wall() - before.last <= REMEMBERED else ""


@lru_cache(maxsize=8192)
def _owner(name: str, address: IPAddress | None) -> str:
    """Whom a verified host name belongs to; empty for none, or one that a provider gave to a customer.

    Also where the customer greets with it: the provider does not answer for what its customers send.
    A word for mail in the name spares all but what shows the address.
    """
    if not name or address is None:
        return ""
    grade = how_generic(name, address).grade
    if grade >= Grade.LIKELY:
        return ""
    org = org_domain(name)
    words = words_of(name.removesuffix(org))
    if not has_mail_word(words, org) and (grade or line_words(words) or words & _CUSTOMERS):
        return ""
    return org


def _sender_org(mail: Mail) -> str:
    sender = mail.known.get("sender")
    if sender is None or sender.domain is None or sender.has_literal:
        return ""
    return org_domain(sender.domain)
