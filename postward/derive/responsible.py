"""The domain that answers for a mail: what is held, remembered and rated."""

from postward.address import normal_domain
from postward.derive.orgdomain import org_domain
from postward.mail import Mail

FACTS = frozenset({"sender", "helo_name", "reverse_client_name"})
"""What `domain_of` reads."""


def domain_of(mail: Mail) -> str:
    """The organizational domain of the sender; for the null sender, or one without a usable domain,
    that of the HELO or PTR name. Empty when nothing names one.
    """
    known = mail.known
    sender = known.get("sender")
    if sender is not None and sender.domain and not sender.has_literal:
        return org_domain(sender.domain)
    for name in (known.get("helo_name", ""), known.get("reverse_client_name", "")):
        domain = normal_domain(name) if "." in name else None
        if domain is not None and domain[0] != "[" and not domain.rpartition(".")[2].isdigit():
            return org_domain(domain)
    return ""
