"""How the keys of what was met before are spelled (`postward.state.Seen`): sender domains, automatic lists.

One place for who notes and who looks: a key that is written otherwise would never be found. Those of
correspondents are in `postward.derive.correspondent`.
"""

KEEP = 400 * 86_400.0
"""Seconds that correspondents and known domains are remembered after the last mail."""


def key_of_domain(org: str) -> str:
    """Mail of this organizational domain has come in."""
    return f"domain {org}"


def key_of_listed(name: str, what: str) -> str:
    """The automatic list `name` has `what`: an address, or a /24 or /64."""
    return f"listed {name}|{what}"
