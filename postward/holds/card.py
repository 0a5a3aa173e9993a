"""The evidence card of a ticket: what the world says of a held domain, for the person who decides.

All look-ups run at the same time, each with a deadline of its own. One that cannot tell says so; it
is never written as guilt, nor as innocence.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from postward.address import parse
from postward.derive.iprev import iprev
from postward.derive.rating_key import key_of_domain, keys_of_address
from postward.derive.spf import spf
from postward.holds.registry import CannotAsk, Registry
from postward.mail import Mail
from postward.network import address_of, cidr_of
from postward.printable import printable
from postward.stage import Stage
from postward.state import StoreDown, Ticket
from postward.tools import Answer, Listings, NoName, Records, Tools, Trouble

LOOK = 3.0  # seconds for one look-up
LOOK_RDAP = 6.0  # it has a deadline of its own, by default 5 s
_MOST = 300  # characters of one entry
_OF_CLIENT = frozenset({"rdns", "network", "dns lists", "rating"})
_SHOWN = 8  # records of one kind

Look = Callable[["_Subject"], Awaitable[str]]


class _Subject:
    """A ticket as a mail again: the facts of the first knock, and tools with a memo of their own."""

    def __init__(self, ticket: Ticket, tools: Tools, rdap: Registry | None) -> None:
        knock = ticket.knock
        self.domain = ticket.domain
        self.has_domain = not ticket.domain.startswith("[")  # else it is about a network
        self.client = address_of(knock.get("client", ""))
        self.helo = knock.get("helo", "")
        self.tools = tools.for_message()
        self.rdap = rdap
        sender = knock.get("sender", "<>")
        self.mail = Mail(Stage.MAIL, {
            "client_address": self.client,
            "helo_name": self.helo,
            "reverse_client_name": knock.get("ptr", "unknown"),
            "sender": parse(sender),
        })  # fmt: skip


async def make_card(
    ticket: Ticket, tools: Tools, rdap: Registry | None, *, look: float = LOOK, look_rdap: float = LOOK_RDAP
) -> dict[str, str]:
    """Name -> text, printable, 300 characters each; in the order in which they are shown.

    `look`, `look_rdap`: seconds for one look-up. Never raises for what the world does.
    """
    subject = _Subject(ticket, tools, rdap)
    looks = {name: work for name, work in LOOKS.items() if subject.has_domain or name in _OF_CLIENT}
    limits = {name: look_rdap if name == "registered" else look for name in looks}
    told = await asyncio.gather(*(_tell(work(subject), limits[name]) for name, work in looks.items()))
    return {name: printable(text, _MOST) for name, text in zip(looks, told, strict=True) if text}


async def _tell(work: Awaitable[str], seconds: float) -> str:
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        return _unknown(f"no answer in {seconds:g} s")
    except StoreDown as error:
        return _unknown(f"store: {error}")
    except CannotAsk as error:
        return _unknown(str(error))


def _unknown(why: str) -> str:
    return f"could not tell: {why}"


def _spelt(answer: Answer[Any], spell: Callable[[Any], str] = str) -> str:
    match answer:
        case Records(values=values):
            more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
            return ", ".join(spell(value) for value in values[:_SHOWN]) + more
        case Trouble(why=why):
            return _unknown(why)
        case NoName():
            return "none: there is no such name"
        case _:
            return "none"


# --- One look each -------------------------------------------------------------------------------
async def _rdns(subject: _Subject) -> str:
    if subject.client is None:
        return ""
    found = await iprev(subject.mail, subject.tools)
    match found.kind:
        case "pass":
            return f"{found.name}, which resolves back"
        case "mismatch":
            return f"{found.name}, which does not resolve back"
        case "temperror":
            return _unknown(found.why)
        case _:
            return "none"


async def _network(subject: _Subject) -> str:
    if subject.client is None:
        return ""
    found = subject.tools.networks.find(subject.client)
    where = cidr_of(subject.client)
    if found is None:
        return where
    return " ".join(part for part in (where, f"AS{found.asn}", found.name, found.country) if part)


async def _spf(subject: _Subject) -> str:
    if subject.client is None:
        return ""
    found = await spf(subject.mail, subject.tools)
    if found.result == "temperror":
        return _unknown(found.problem or "trouble in the DNS")
    about = f"{found.result} for {found.value}" if found.value else found.result
    return f"{about} ({found.problem})" if found.problem else about


async def _dmarc(subject: _Subject) -> str:
    answer = await subject.tools.dns.txt(f"_dmarc.{subject.domain}")
    if not isinstance(answer, Records):
        return _spelt(answer)
    texts = [b"".join(strings).decode("ascii", "replace") for strings in answer.values]
    policies = [text for text in texts if text.lower().startswith("v=dmarc1")]  # RFC 9989 4.7
    return policies[0] if policies else "none"


async def _dkim(_subject: _Subject) -> str:
    return "not known before DATA"


async def _mx(subject: _Subject) -> str:
    answer = await subject.tools.dns.mx(subject.domain)
    if isinstance(answer, Records) and [name for _, name in answer.values] in ([""], ["."]):
        return "null MX: the domain says that it takes no mail"  # RFC 7505
    return _spelt(answer, lambda pair: f"{pair[1]} ({pair[0]})")


async def _ns(subject: _Subject) -> str:
    return _spelt(await subject.tools.dns.ns(subject.domain))


async def _address(subject: _Subject) -> str:
    dns = subject.tools.dns
    answers = await asyncio.gather(dns.a(subject.domain), dns.aaaa(subject.domain))
    found = [each for each in answers if isinstance(each, Records)]
    if found:
        return ", ".join(_spelt(each) for each in found)
    return _spelt(next((each for each in answers if isinstance(each, Trouble)), answers[0]))


async def _dns_lists(subject: _Subject) -> str:
    lists = subject.tools.dns_lists
    looks = [lists.look("sender", subject.domain)] if subject.has_domain else []
    if subject.client is not None:
        looks.append(lists.look("client", subject.client))
    told: list[Listings] = await asyncio.gather(*looks)
    found = [
        f"{each.list} {each.means or each.code} ({each.score:+g})" for part in told for each in part.found
    ]
    unsure = [_unknown(why) for part in told for why in part.unsure]
    return "; ".join([*found, *unsure]) or "on none"


async def _rating(subject: _Subject) -> str:
    keys: list[str] = [key_of_domain(subject.domain)] if subject.has_domain else []
    if subject.client is not None:
        keys += keys_of_address(subject.client)
    found = await subject.tools.store.ratings.read(tuple(keys), now=subject.tools.clock.wall())
    known = [each for each in found if each is not None]
    return (
        ", ".join(f"{each.key} {each.points:+.1f} ({each.samples:.0f} events)" for each in known)
        or "none yet"
    )


async def _registered(subject: _Subject) -> str:
    if subject.rdap is None:
        return ""
    return await subject.rdap.registered(subject.domain, subject.tools.store.seen)


LOOKS: dict[str, Look] = {
    "rdns": _rdns,
    "network": _network,
    "spf": _spf,
    "dmarc": _dmarc,
    "dkim": _dkim,
    "mx": _mx,
    "ns": _ns,
    "address": _address,
    "dns lists": _dns_lists,
    "rating": _rating,
    "registered": _registered,
}
"""The entries of a card. One that gives an empty text is left out."""
