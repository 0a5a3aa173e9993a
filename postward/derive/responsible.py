"""The domain that answers for a mail: what is held, remembered and rated."""

from postward.address import normal_domain
from postward.derive.orgdomain import org_domain
from postward.mail import Mail
from postward.network import cidr_of

FACTS = frozenset({"client_address", "sender", "helo_name", "reverse_client_name"})
"""What `domain_of` reads."""


def domain_of(mail: Mail) -> str:
    """The organizational domain of the sender; for the null sender that of the HELO or PTR name.

    A sender that is not null and has no usable domain is answered for by the client's /24 or /64
    alone, written `[192.0.2.0/24]`: with the HELO name it would be whoever it likes to be. Empty when
    nothing names one.
    """
    known = mail.known
    sender = known.get("sender")
    if sender is not None and not sender.is_null:
        if sender.domain and not sender.has_literal:
            return org_domain(sender.domain)
        client = known.get("client_address")
        return f"[{cidr_of(client)}]" if client is not None else ""
    for name in (known.get("helo_name", ""), known.get("reverse_client_name", "")):
        domain = normal_domain(name) if "." in name else None
        if domain is not None and domain[0] != "[" and not domain.rpartition(".")[2].isdigit():
            return org_domain(domain)
    return ""
