"""Is the client, its HELO, its verified name or the sender's domain on a DNS list? (RFC 5782)"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from postward.checks import Cost, Looked
from postward.derive.dns_listings import MEMO
from postward.derive.iprev import iprev
from postward.finding import CLEAR, Finding, Hit, Unsure
from postward.mail import IPAddress, Mail
from postward.tools import Listing, Listings, Tools

_NEEDS: dict[str, frozenset[str]] = {
    "client": frozenset({"client_address"}),
    "helo": frozenset({"helo_name"}),
    "rdns": frozenset({"client_address"}),
    "sender": frozenset({"sender"}),
}
_NOTHING = Listings()


@dataclass(frozen=True, slots=True)
class DnsList:
    """Ask the DNS lists that are switched on in postward.yml, all at the same time.

    Its own score is the sum over the lists that hit. A list that fails its test is not asked; one that
    does not answer, refuses or answers nonsense is `could not tell`, never a hit.
    """

    name: ClassVar[str] = "dns_list"
    cost: ClassVar[Cost] = Cost.LOOKUP
    by_domain: ClassVar[bool] = True
    reasons: ClassVar[Mapping[str, str]] = {"listed": "At least one list has it."}
    says: ClassVar[Mapping[str, str]] = {
        "dns_list": "The lists that have it, such as `spamhaus-zen`.",
        "dns_list_code": "What they answered, such as `127.0.0.2`.",
    }

    of: Annotated[
        Literal["client", "helo", "rdns", "sender"],
        Field(description="What is looked up; `rdns` is the name that resolves back to the client."),
    ]
    kind: Annotated[
        Literal["block", "allow"],
        Field(description="Which listings count: those with a score above zero, or below."),
    ] = "block"
    only: Annotated[
        tuple[str, ...],
        Field(max_length=50, description="Names of the lists that count; without it, all."),
    ] = ()

    @property
    def needs(self) -> frozenset[str]:
        return _NEEDS[self.of]

    @property
    def dns_lists(self) -> tuple[str, ...]:
        """The DNS lists that must exist for this check to be loaded."""
        return self.only

    def look(self, mail: Mail, tools: Tools) -> Looked:
        known: Listings | None = tools.made(MEMO[self.of])  # several rules ask, one looks up
        if known is not None:
            return self._finding(known)
        return self._look_up(mail, tools) if tools.dns_lists.asks(self.of) else CLEAR

    async def _look_up(self, mail: Mail, tools: Tools) -> Finding:
        once = tools.once_for_domain if self.of == "sender" else tools.once_for_client
        return self._finding(await once(MEMO[self.of], lambda: _ask(self.of, mail, tools)))

    def _finding(self, said: Listings) -> Finding:
        found = [each for each in said.found if self._counts(each)]
        if found:
            return _hit(found)
        unsure = [why for why in said.unsure if not self.only or why.partition(":")[0] in self.only]
        return Unsure("; ".join(unsure)) if unsure else CLEAR

    def _counts(self, each: Listing) -> bool:
        return (each.score > 0) == (self.kind == "block") and (not self.only or each.list in self.only)


async def _ask(of: str, mail: Mail, tools: Tools) -> Listings:
    what = await _subject(of, mail, tools)
    return await tools.dns_lists.look(of, what) if what else _NOTHING


async def _subject(of: str, mail: Mail, tools: Tools) -> IPAddress | str | None:
    match of:
        case "client":
            return mail.client_address
        case "helo":
            return mail.helo_name
        case "rdns":
            found = await iprev(mail, tools)
            return found.name if found.kind == "pass" else None
        case _:
            return mail.sender.domain


def _hit(found: list[Listing]) -> Hit:
    detail = ", ".join(f"{each.list} {each.code} ({each.means})" for each in found)
    names = ", ".join(dict.fromkeys(each.list for each in found))
    codes = ", ".join(dict.fromkeys(each.code for each in found))
    score = round(sum(each.score for each in found), 3)
    return Hit("listed", detail, {"dns_list": names, "dns_list_code": codes}, score)
