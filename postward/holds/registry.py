"""Asking others about a domain, as an interface: what needs an https client is imported only where used."""

from typing import Protocol

from postward.state import Seen


class CannotAsk(Exception):
    """No answer to use, and why: for the log and for people."""


class Registry(Protocol):
    """Knows when domains were registered (`postward.holds.rdap`)."""

    async def registered(self, domain: str, seen: Seen) -> str:
        """`2024-05-01` or `not registered`. Raises CannotAsk with the reason."""
