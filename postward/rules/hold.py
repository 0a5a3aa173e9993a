"""The hold: 450 for a sender domain until a person has looked.

What a person has said about the sender, the client or its network holds first. Without such a word
`then: hold` opens a ticket for the domain that answers for the mail, and the ticket says what
follows: waiting -> 450, denied -> 550, approved -> nothing, as if the rule had not hit. The ticket is
the domain's, not the client's: retries from other addresses join it (THREATS D7), and what is decided
there counts in every process at once. Once it has waited as long as `holds: for:` says, `on_deadline`
follows: a hold is never a refusal in silence. Trouble in the store does not hold mail up
(docs/adr/0002).
"""

from dataclasses import dataclass
from typing import Literal

from postward.derive.iprev import Iprev
from postward.derive.persons_word import persons_word
from postward.derive.responsible import domain_of
from postward.derive.spf import SpfResult
from postward.finding import Unsure
from postward.mail import Mail
from postward.printable import printable
from postward.state import StoreDown, Ticket
from postward.tools import Tools

OnDeadline = Literal["accept", "quarantine", "defer", "reject"]
AT_DEADLINE = {"accept": "", "quarantine": "quarantine", "defer": "hold", "reject": "reject"}
"""`on_deadline` -> the outcome that follows from a ticket that nobody decided in time."""
BY_DEADLINE = "deadline"
"""Who decided a ticket that no person did."""
_FOLLOWS = {"approved": "", "denied": "reject"}
_MAX_FACT = 300


@dataclass(frozen=True, slots=True)
class HoldPolicy:
    """How long a domain waits (`seconds`), when people are reminded (seconds after it was opened), and
    what follows then: `accept` to full scoring, `quarantine`, `defer` (it goes on waiting) or `reject`.
    """

    seconds: float = 24 * 3600.0
    remind: tuple[float, ...] = (4 * 3600.0, 12 * 3600.0, 20 * 3600.0)
    on_deadline: OnDeadline = "accept"

    def is_over(self, ticket: Ticket, now: float) -> bool:
        """Whether `ticket` has waited long enough at wall clock `now`."""
        return now - ticket.opened >= self.seconds


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
    now, holds = tools.clock.wall(), tools.store.holds
    try:
        # Once a message: fifty recipients are one attempt.
        ticket = await tools.once(
            f"ticket {domain}",
            lambda: holds.meet(domain, now=now, evidence=evidence, knock=knock(mail, tools)),
        )
    except StoreDown as error:
        return "", f"store: {error}", None
    note = f"ticket {ticket.id} for {domain}"
    if ticket.verdict in _FOLLOWS:
        return _FOLLOWS[ticket.verdict], f"{note} is {ticket.verdict}", ticket
    if policy.is_over(ticket, now):
        return AT_DEADLINE[policy.on_deadline], f"{note} waited {policy.seconds / 3600:g} h", ticket
    return "hold", f"{note} waits", ticket


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
