"""What a person has said about a sender or client: the narrowest word that holds now."""

from postward.derive.responsible import FACTS, domain_of
from postward.finding import Unsure
from postward.mail import Mail
from postward.network import cidr_of
from postward.state import StoreDown, Word
from postward.tools import Tools

NEEDS = FACTS | {"client_address"}


async def persons_word(mail: Mail, tools: Tools) -> Word | Unsure | None:
    """Of several the narrowest: the sender's address, the client, the sender's organizational domain,
    the client's /24 or /64. Asked once a message.
    """
    return await tools.once("word", lambda: _word(mail, tools))


async def _word(mail: Mail, tools: Tools) -> Word | Unsure | None:
    keys = []
    if mail.sender.text:
        keys.append(("address", mail.sender.text.lower()))
    client = mail.client_address
    if client is not None:
        keys.append(("client", str(client)))
    domain = domain_of(mail)
    if domain:
        keys.append(("domain", domain))
    if client is not None:
        keys.append(("network", cidr_of(client)))
    try:
        words = await tools.store.holds.words(tuple(keys), now=tools.clock.wall())
    except StoreDown as error:
        return Unsure(f"store: {error}")
    return words[0] if words else None
