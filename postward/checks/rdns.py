"""Does the client have a name in the reverse DNS, and what does it say?"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from postward.checks import Cost, Looked
from postward.derive.generic_name import Generic, Grade, how_generic
from postward.derive.greeting import Greeting, form_of, greeting
from postward.derive.iprev import KEEP, Iprev, iprev
from postward.derive.name_words import has_mail_word, words_of
from postward.derive.orgdomain import org_domain
from postward.duration import DURATION
from postward.finding import Clear, Finding, Hit, Unsure
from postward.mail import Mail
from postward.printable import printable
from postward.tools import Tools

_NEEDS = frozenset({"client_address"})
_NEEDS_OF_GENERIC = frozenset({"client_address", "helo_name"})
_GRADES = {"weak": Grade.WEAK, "likely": Grade.LIKELY, "sure": Grade.SURE}
_SCORES = {"missing": 2.0, "mismatch": 2.5, "trouble": 0.0}
_MAX_SHOWN = 260  # a name of the DNS and a little


@dataclass(frozen=True, slots=True)
class ReverseDns:
    """Look up the client's PTR records and resolve their names back (RFC 8601 3).

    Own look-ups, because Postfix writes `unknown` both for a client without a name and for a DNS
    that did not answer. Much honest mail without a name comes from clients that had one at other times:
    a name that was good within `remember` counts as good. If the memory cannot be asked the check is
    unsure, so that our own trouble punishes nobody.

    A generic name is graded and weighs 0.5 to 3 by itself (`then: {score: own}`): half where the client
    greets with another name that leads to it, for then somebody looks after this server; two thirds
    where it greets as a mail server that has another address; at most 2 where it greets with that name
    itself, and nothing if the name says `static` too.
    """

    name: ClassVar[str] = "rdns"
    cost: ClassVar[Cost] = Cost.LOOKUP
    reasons: ClassVar[Mapping[str, str]] = {
        "missing": "The client's address has no PTR record.",
        "mismatch": "There is a PTR record, but no name of it resolves back to the address.",
        "generic": "The name shows the address, or was made up by a provider in another way.",
        "trouble": "The DNS did not answer; nothing is known.",
    }
    says: ClassVar[Mapping[str, str]] = {
        "ptr_name": "The name in the PTR record, `unknown` if there is none."
    }

    verdict: Annotated[
        Literal["missing", "mismatch", "generic", "trouble"], Field(description="What this rule looks for.")
    ]
    at_least: Annotated[
        Literal["weak", "likely", "sure"],
        Field(
            description="For `generic`: `weak` is half of the address or a word such as `dsl`, `likely` "
            "the address or the number of a rented machine, `sure` the address and such a word."
        ),
    ] = "likely"
    remember: Annotated[
        int,
        Field(ge=0, le=KEEP, description="How long after it was last good a name still counts; 0: never."),
        DURATION,
    ] = 2_592_000
    forgive: Annotated[
        Literal["any", "trouble"],
        Field(
            description="What a remembered name makes good: `any` fault, or only `trouble` of the DNS; then "
            "a name that is gone by now is `missing`."
        ),
    ] = "any"

    @property
    def needs(self) -> frozenset[str]:
        return _NEEDS_OF_GENERIC if self.verdict == "generic" else _NEEDS

    def look(self, mail: Mail, tools: Tools) -> Looked:
        known: Iprev | None = tools.made("iprev")  # four rules ask, one looks up
        return self._finding(mail, tools, known) if known is not None else self._look_up(mail, tools)

    async def _look_up(self, mail: Mail, tools: Tools) -> Finding:
        looked = self._finding(mail, tools, await iprev(mail, tools))
        return looked if isinstance(looked, Clear | Hit | Unsure) else await looked

    def _finding(self, mail: Mail, tools: Tools, found: Iprev) -> Looked:
        if found.kind in ("pass", "none"):
            return self._generic(mail, tools, found, found.name) if self._is_generic else Clear(found.name)
        now = tools.clock.wall()
        good = self._remembered(found, now)
        if self._is_generic:
            return self._generic(mail, tools, found, good)
        if good:
            return Clear(_shown(f"had {good} until {_day(found, now)}; now {found.why or found.kind}"))
        if found.kind == "temperror" and self.verdict != "trouble":
            return Unsure(_shown(found.why))
        if not _is(found, self.verdict):
            return Clear(_shown(found.name))
        if found.forgotten and self.remember:
            return Unsure(f"what was known of it before: {found.forgotten}")
        return _hit(self.verdict, found.name, found.why, _SCORES[self.verdict])

    @property
    def _is_generic(self) -> bool:
        return self.verdict == "generic"

    def _remembered(self, found: Iprev, now: float) -> str:
        """The good name that makes up for what was found, or nothing."""
        if found.before is None or now - found.before.last > self.remember or self.remember == 0:
            return ""
        return found.before.value if self.forgive == "any" or found.kind == "temperror" else ""

    def _generic(self, mail: Mail, tools: Tools, found: Iprev, good: str) -> Looked:
        """`good`: a name that is verified, or was."""
        if found.kind == "temperror" and not good:
            return Unsure(_shown(found.why))
        client, name = mail.client_address, good or found.name
        if client is None or not name:
            return Clear(found.kind)
        generic = how_generic(name, client)
        if generic.grade < _GRADES[self.at_least]:
            return Clear(_shown(name))
        if not good:
            return _generic_hit(name, generic, generic.score, "not verified")
        form, helo = form_of(mail.helo_name)
        if helo == name:
            return _of_own_greeting(name, generic)
        if form != "fqdn":
            return _generic_hit(name, generic, generic.score, "")
        known: Greeting | None = tools.made("greeting")
        return _weighed(name, generic, known) if known is not None else _weigh(mail, tools, name, generic)


def _is(found: Iprev, verdict: str) -> bool:
    return found.kind == verdict or (found.kind == "temperror" and verdict == "trouble")


async def _weigh(mail: Mail, tools: Tools, name: str, generic: Generic) -> Finding:
    return _weighed(name, generic, await greeting(mail, tools))


def _of_own_greeting(name: str, generic: Generic) -> Finding:
    """A rented machine that greets with the name that it was given says no more by that."""
    if generic.static:
        return Clear(_shown(f"{name} is its HELO name"))
    return _generic_hit(name, generic, min(generic.score, 2.0), "is its HELO name")


def _weighed(name: str, generic: Generic, greets: Greeting) -> Finding:
    """A server that greets with a name of its own has somebody who looks after it."""
    if greets.kind == "temperror":
        return Unsure(_shown(f"HELO: {greets.why}"))
    if greets.kind == "own":
        return _generic_hit(name, generic, generic.score / 2, f"but {greets.name} leads to it")
    if greets.kind == "other" and _is_mail_server_of_another(greets.name, name):
        return _generic_hit(name, generic, generic.score * 2 / 3, f"but greets as {greets.name}")
    return _generic_hit(name, generic, generic.score, "")


def _is_mail_server_of_another(helo: str, name: str) -> bool:
    """Behind a NAT or with several addresses the HELO name may lead to another of them."""
    return has_mail_word(words_of(helo)) and org_domain(helo) != org_domain(name)


def _generic_hit(name: str, generic: Generic, score: float, but: str) -> Hit:
    why = ", ".join(part for part in (f"{generic.grade.name.lower()}: {generic.why}", but) if part)
    return _hit("generic", name, why, score)


def _hit(reason: str, name: str, why: str, score: float) -> Hit:
    detail = " ".join(part for part in (name, why) if part)
    return Hit(reason, _shown(detail), {"ptr_name": _shown(name) or "unknown"}, score)


def _shown(text: str) -> str:
    return printable(text, _MAX_SHOWN)


def _day(found: Iprev, now: float) -> str:
    """The day (UTC) on which the good name was last met."""
    last = min(found.before.last, now) if found.before is not None else now
    return time.strftime("%Y-%m-%d", time.gmtime(last))
