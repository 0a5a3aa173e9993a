"""What a person has said about a sender or client: any denial holds, else the narrowest approval.

A denial counts for whoever writes the denied name. An approval of a domain or of a sender's address
counts only for whom the domain vouches, and for the clients that it was said about: anybody can write
an approved name (THREATS A2).
"""

from functools import lru_cache

from postward.address import Address
from postward.derive import identity
from postward.derive.responsible import domain_of
from postward.finding import Unsure
from postward.mail import IPAddress, Mail
from postward.network import address_of, cidr_of
from postward.state import StoreDown, Word
from postward.tools import Tools

NEEDS = identity.FACTS["domain"]


def spelled(address: Address) -> str:
    """A sender as words have it: one spelling, whatever quotes, route or final dot it came with."""
    return (f"{address.local}@{address.domain}" if address.domain else address.text).lower()


async def persons_word(mail: Mail, tools: Tools) -> Word | Unsure | None:
    """Any denial about the sender's address, the client, the sender's organizational domain or the
    client's /24 or /64; else the first approval in that order. Asked once a message.

    A bounce counts by the client's verified host alone.
    """
    return await tools.once("word", lambda: _word(mail, tools))


async def domain_approved(mail: Mail, tools: Tools) -> bool:
    """Whether the domain that answers for the mail was approved, whoever may have written its name.

    Enough for not being held as new; not for more. Raises StoreDown.
    """
    about = (("domain", domain_of(mail)),)
    return any(word.verdict == "approved" for word in await _said(about, tools))


async def _word(mail: Mail, tools: Tools) -> Word | Unsure | None:
    try:
        words = await _said(await _keys(mail, tools), tools)
    except StoreDown as error:
        return Unsure(f"store: {error}")
    for word in words:
        if word.verdict == "denied":
            return word
    for word in words:
        if word.verdict == "approved" and await _counts(word, mail, tools):
            return word
    return None


async def _said(keys: tuple[tuple[str, str], ...], tools: Tools) -> tuple[Word, ...]:
    return await tools.store.holds.words(keys, now=tools.clock.wall())


async def _keys(mail: Mail, tools: Tools) -> tuple[tuple[str, str], ...]:
    keys = []
    sender, client = mail.sender, mail.client_address
    if not sender.is_null:
        keys.append(("address", spelled(sender)))
    if client is not None:
        keys.append(("client", str(client)))
    domain = await identity.host_of(mail, tools) if sender.is_null else domain_of(mail)
    if domain:
        keys.append(("domain", domain))
    if client is not None:
        keys.append(("network", cidr_of(client)))
    return tuple(keys)


async def _counts(word: Word, mail: Mail, tools: Tools) -> bool:
    """Whether an approval is about this client too."""
    if word.kind in ("client", "network") or mail.sender.is_null:
        return True
    client = mail.client_address
    if client is not None and cidr_of(client) in networks_of(word.clients):
        return True
    domain = domain_of(mail)
    return domain.startswith("[") or await identity.domain_of(mail, tools) == domain


@lru_cache(maxsize=4096)
def networks_of(clients: tuple[str, ...]) -> tuple[str, ...]:
    """The /24 or /64 of each of these addresses, once each."""
    known: list[IPAddress | None] = [address_of(each) for each in clients]
    return tuple(dict.fromkeys(cidr_of(each) for each in known if each is not None))
