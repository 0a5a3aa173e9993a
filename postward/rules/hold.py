"""The hold: 450 for a sender domain until a person has looked.

`then: hold` opens a ticket for the organizational domain of the sender (of the HELO or PTR name for
the null sender), and the ticket says what follows: waiting -> 450, denied -> 550, approved ->
nothing, as if the rule had not hit. After `hold_for` seconds nothing follows either: a hold is never
a refusal in silence. Trouble in the store does not hold mail up (docs/adr/0002).
"""

from postward.derive.orgdomain import org_domain
from postward.mail import Mail
from postward.state import StoreDown, Ticket
from postward.tools import Tools


def domain_of(mail: Mail) -> str:
    """The domain a ticket is about; empty when nothing names one."""
    known = mail.known
    sender = known.get("sender")
    if sender is not None and sender.domain and not sender.has_literal:
        return org_domain(sender.domain)
    for name in (known.get("helo_name", ""), known.get("reverse_client_name", "")):
        if "." in name and not name.startswith("["):
            return org_domain(name.lower())
    return ""


async def ask_ticket(
    mail: Mail, tools: Tools, evidence: str, hold_for: float
) -> tuple[str, str, Ticket | None]:
    """What the ticket says: an outcome's word (`hold`, `reject` or empty), a note, and the ticket."""
    domain = domain_of(mail)
    if not domain:
        return "", "no domain to hold", None
    now = tools.clock.wall()
    try:
        # Once a message: fifty recipients are one attempt.
        ticket = await tools.once(
            f"ticket {domain}", lambda: tools.store.holds.meet(domain, now=now, evidence=evidence)
        )
    except StoreDown as error:
        return "", f"store: {error}", None
    note = f"ticket {ticket.id} for {domain}"
    if ticket.verdict == "approved":
        return "", f"{note} is approved", ticket
    if ticket.verdict == "denied":
        return "reject", f"{note} is denied", ticket
    if now - ticket.opened >= hold_for:
        return "", f"{note} waited {hold_for / 3600:.0f} h", ticket
    return "hold", f"{note} waits", ticket
