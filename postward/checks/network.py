"""Does the client stand in a network that the admin watches: by address, verified name or AS number?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from postward.checks import Cost, Looked
from postward.derive.iprev import Iprev, iprev
from postward.finding import CLEAR, Clear, Finding, Hit, Unsure
from postward.mail import Mail
from postward.tools import Match, NamedList, Tools

_NEEDS = frozenset({"client_address", "client_name"})


@dataclass(frozen=True, slots=True)
class ListedNetwork:
    """Look the client up in a list of networks (`lists/NAME.yml`): CIDR, AS number or domain of its name.

    The smallest network counts first, then the name, then the AS number. A name is the one that Postfix
    verified, or one that our own look-up did; what a client only claims is never matched. An entry of
    `score: 0` is an exception from wider ones.
    """

    name: ClassVar[str] = "network"
    cost: ClassVar[Cost] = Cost.LOOKUP
    reasons: ClassVar[Mapping[str, str]] = {
        "address": "The address is in a network of the list.",
        "name": "The verified name is in the list, or below a name of it.",
        "asn": "The address belongs to an AS of the list.",
    }
    says: ClassVar[Mapping[str, str]] = {
        "network_entry": "The value of the entry that matched.",
        "network_note": "The note beside that entry.",
    }

    list: Annotated[str, Field(description="Name of the list: the file lists/NAME.yml.")]
    score: Annotated[
        float,
        Field(ge=-1000, le=1000, description="What an entry without a `score` weighs, for `{score: own}`."),
    ] = 1.0

    @property
    def needs(self) -> frozenset[str]:
        return _NEEDS

    @property
    def lists(self) -> frozenset[str]:
        """The lists that must exist for this check to be loaded."""
        return frozenset({self.list})

    def look(self, mail: Mail, tools: Tools) -> Looked:
        entries = tools.lists[self.list]
        if entries.empty:
            return CLEAR
        match = self._match(entries, mail, tools, mail.client_name)
        settled = match is not None and match.by == "address"
        if settled or mail.client_name != "unknown" or not entries.has_names:
            return self._finding(match)
        # Postfix looks up one name and gives up on any trouble: a name it could not verify may still be.
        known: Iprev | None = tools.made("iprev")
        return self._by_name(entries, mail, tools, known) if known else self._look_up(entries, mail, tools)

    async def _look_up(self, entries: NamedList, mail: Mail, tools: Tools) -> Finding:
        return self._by_name(entries, mail, tools, await iprev(mail, tools))

    def _by_name(self, entries: NamedList, mail: Mail, tools: Tools, found: Iprev) -> Finding:
        verified = found.name if found.kind == "pass" else ""
        match = self._match(entries, mail, tools, verified)
        return Unsure(found.why) if match is None and found.kind == "temperror" else self._finding(match)

    def _match(self, entries: NamedList, mail: Mail, tools: Tools, name: str) -> Match | None:
        return entries.match_network(mail.client_address, name, tools.networks, tools.clock.wall())

    def _finding(self, match: Match | None) -> Finding:
        if match is None:
            return CLEAR
        entry = match.entry
        score = self.score if entry.score is None else entry.score
        if entry.score == 0:
            return Clear(f"{self.list}: {entry.value} is an exception")
        values = {"network_entry": entry.value, "network_note": entry.note}
        return Hit(match.by, f"{self.list}: {entry.value}", values, score)
