"""Is the client, HELO, sender or recipient on one of the admin's lists?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from postward.address import Address, normal_domain, parse
from postward.checks import Cost
from postward.finding import CLEAR, Finding, Hit
from postward.mail import Mail
from postward.tools import Entry, NamedList, Tools

_NEEDS: dict[str, frozenset[str]] = {
    "client": frozenset({"client_address", "client_name"}),
    "helo": frozenset({"helo_name"}),
    "sender": frozenset({"sender"}),
    "recipient": frozenset({"recipient"}),
    "login": frozenset({"sasl_username"}),
}


@dataclass(frozen=True, slots=True)
class Listed:
    """Look one fact up in a list (`lists/NAME.yml`).

    `client` is looked up by address, by the name that Postfix verified and by AS number. Entries that
    have expired do not match. `{score: own}` takes the score of the entry, 0 where it has none.
    """

    name: ClassVar[str] = "list"
    cost: ClassVar[Cost] = Cost.MEMORY
    reasons: ClassVar[Mapping[str, str]] = {"listed": "An entry of the list matches."}
    says: ClassVar[Mapping[str, str]] = {
        "entry": "The value of the entry that matched.",
        "note": "The note beside that entry.",
    }

    match: Annotated[
        Literal["client", "helo", "sender", "recipient", "login"], Field(description="What is looked up.")
    ]
    list: Annotated[str, Field(description="Name of the list: the file lists/NAME.yml.")]

    @property
    def needs(self) -> frozenset[str]:
        return _NEEDS[self.match]

    @property
    def lists(self) -> frozenset[str]:
        """The lists that must exist for this check to be loaded."""
        return frozenset({self.list})

    def look(self, mail: Mail, tools: Tools) -> Finding:
        entries = tools.lists[self.list]
        if entries.empty:
            return CLEAR
        entry = self._entry(entries, mail, tools)
        if entry is None:
            return CLEAR
        values = {"entry": entry.value, "note": entry.note}
        return Hit("listed", f"{self.list}: {entry.value}", values, entry.score or 0.0)

    def _entry(self, entries: NamedList, mail: Mail, tools: Tools) -> Entry | None:
        now = tools.clock.wall()
        match self.match:
            case "client":
                found = entries.match_network(mail.client_address, mail.client_name, tools.networks, now)
                return found.entry if found is not None else None
            case "helo":
                name = mail.helo_name
                # Lists hold A-labels: a HELO in U-labels is the same name.
                name = name if name.isascii() else normal_domain(name) or name
                return entries.match_domain(name, now) if name else None
            case "sender":
                return entries.match_address(mail.sender, now)
            case "recipient":
                return entries.match_address(mail.recipient, now)
            case "login":
                return entries.match_address(parse_login(mail.sasl_username), now)


def parse_login(login: str) -> Address:
    """A login as an address: `alice@example.org`, or a bare `alice` with its local part alone."""
    return parse(login) if "@" in login else Address(login, login, None)
