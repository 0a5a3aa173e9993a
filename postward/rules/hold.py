"""The hold: 450 for a sender domain until a person has looked.

What a person has said about the sender, the client or its network holds first
(`postward.derive.persons_word`). Without such a word
`then: hold` opens a ticket for the domain that answers for the mail, and the ticket says what
follows: waiting -> 450, denied -> 550, approved -> nothing, as if the rule had not hit. The ticket is
the domain's, not the client's: retries from other addresses join it (THREATS D7), and what is decided
there counts in every process at once. Once it has waited as long as `holds: for:` says, `on_deadline`
follows: a hold is never a refusal in silence. Trouble in the store does not hold mail up
(docs/adr/0002).

A domain that does not exist gets no ticket, nor do more than some new ones an hour from one network:
they wait all the same, and nobody is bothered.
"""

from dataclasses import dataclass
from typing import Literal

from postward.derive import identity
from postward.derive.iprev import Iprev
from postward.derive.persons_word import domain_approved, persons_word
from postward.derive.responsible import domain_of
from postward.derive.sender_domain import SenderDomain
from postward.derive.spf import SpfResult
from postward.finding import Unsure
from postward.mail import Mail
from postward.network import cidr_of
from postward.printable import printable
from postward.state import StoreDown, Ticket
from postward.tools import Tools

OnDeadline = Literal["accept", "quarantine", "defer", "reject"]
AT_DEADLINE = {"accept": "", "quarantine": "quarantine", "defer": "hold", "reject": "reject"}
"""`on_deadline` -> the outcome that follows from a ticket that nobody decided in time."""
NEW_TICKETS = 20
"""Tickets that mail from one /24 or /64 may open in an hour: who invents domains does not fill the list."""
_HOUR = 3600.0
_FOLLOWS = {"approved": "", "denied": "reject"}
_SET_BACK = 60.0
"""Seconds by which a ticket may be younger than nothing: processes tell the time on their own."""
_MAX_FACT = 300


@dataclass(frozen=True, slots=True)
class HoldPolicy:
    """How long a domain waits (`seconds`), when people are reminded (seconds after it was opened), and
    what follows then: `accept` to full scoring, `quarantine`, `defer` (it goes on waiting) or `reject`.
    """

    seconds: float = 24 * 3600.0
    remind: tuple[float, ...] = (4 * 3600.0, 12 * 3600.0, 20 * 3600.0)
    on_deadline: OnDeadline = "accept"

    def is_over(self, ticket: Ticket, at: float) -> bool:
        """Whether `ticket` has waited long enough `at` the store's own time (`Holds.time`).

        One from the future was opened by a clock that was wrong: its time is over.
        """
        age = at - ticket.since
        return age >= self.seconds or age < -_SET_BACK


async def ask_ticket(
    mail: Mail, tools: Tools, evidence: str, policy: HoldPolicy
) -> tuple[str, str, Ticket | None]:
    """What a person or the ticket says: an outcome's word (empty: nothing follows), a note, the ticket."""
    said = await persons_word(mail, tools)
    if isinstance(said, Unsure):
        return "", said.why, None
    if said is not None and said.verdict in _FOLLOWS:
        return _FOLLOWS[said.verdict], f"{said.kind} {said.value} is {said.verdict}", None
    domain = domain_of(mail)
    if not domain:
        return "", "no domain to hold", None
    try:
        if await domain_approved(mail, tools):
            return "", f"domain {domain} is approved", None
        # Once a message: fifty recipients are one attempt.
        ticket = await tools.once(f"ticket {domain}", lambda: _meet(domain, mail, tools, evidence))
    except StoreDown as error:
        return "", f"store: {error}", None
    if isinstance(ticket, str):
        return "hold", ticket, None
    note = f"ticket {ticket.id} for {domain}"
    if ticket.verdict in _FOLLOWS:
        return _FOLLOWS[ticket.verdict], f"{note} is {ticket.verdict}", ticket
    if policy.is_over(ticket, tools.store.holds.time(tools.clock.wall())):
        return AT_DEADLINE[policy.on_deadline], f"{note} waited {policy.seconds / 3600:g} h", ticket
    return "hold", f"{note} waits", ticket


async def _meet(domain: str, mail: Mail, tools: Tools, evidence: str) -> Ticket | str:
    """The domain's ticket, opened where there is none; or why none is opened."""
    holds, now = tools.store.holds, tools.clock.wall()
    if await holds.find(domain) is None and (why := _not_opened(mail, tools)):
        return why
    who = identity.known(mail, tools)
    verified = domain in ((who.host,) if mail.sender.is_null else (who.domain,))
    return await holds.meet(domain, now=now, evidence=evidence, knock=knock(mail, tools), verified=verified)


def _not_opened(mail: Mail, tools: Tools) -> str:
    """Why no ticket is opened for a domain that has none; empty: one is."""
    found: SenderDomain | None = tools.made("sender_domain")
    if found is not None and found.kind == "no_name":
        return f"no ticket: there is no domain {found.domain}"
    client = mail.known.get("client_address")
    if client is None:
        return ""
    # In this process alone: booking is policyd's, and the milter may open tickets too.
    network, now = cidr_of(client), tools.clock.monotonic()
    room = tools.lately.room("new tickets", network, 1.0, most=NEW_TICKETS, now=now, within=_HOUR)
    return "" if room else f"no ticket: {network} has opened enough"


def knock(mail: Mail, tools: Tools) -> dict[str, str]:
    """Who knocked, for the ticket: printable, 300 characters each; what is not known is left out."""
    known = mail.known
    name: Iprev | None = tools.made("iprev")
    spf: SpfResult | None = tools.made("spf")
    recipient = known.get("recipient")
    facts = {
        "client": str(known.get("client_address") or ""),
        "helo": known.get("helo_name", ""),
        "ptr": (name.name if name is not None else "") or known.get("reverse_client_name", ""),
        "rdns": name.kind if name is not None else "",
        "sender": str(known.get("sender") or "<>"),
        "recipient_domain": (recipient.domain or "") if recipient is not None else "",
        "spf": spf.result if spf is not None else "",
        "tls": known.get("encryption_protocol", ""),
    }
    return {key: printable(value, _MAX_FACT) for key, value in facts.items() if value}
