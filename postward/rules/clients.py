"""What was found about a client, kept for some seconds for its next messages.

Most looks are about the client alone (its names, its HELO, the lists it is on), and a client that
sends one message often sends another. What a look of that kind found is found once in `FOR` seconds
and not once a message. The DNS cache keeps answers for at least as long, so nothing is seen later than
it would be without. Findings that could not tell are never kept for others, nor are looks whose cost is
a question to the state (ratings, a person's word): those hold at once. A good name from before, which
iprev takes from the state, is kept with the client.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, NamedTuple

from postward.address import Address
from postward.checks import Check, Cost
from postward.mail import IPAddress, Mail
from postward.rules.judgement import Judged
from postward.rules.looks import Found
from postward.rules.rule import Rule

FACTS = frozenset({"client_address", "client_name", "reverse_client_name", "helo_name"})
"""The facts that say who the client is."""
FOR = 15.0
MOST = 5_000
"""Clients; some three kB each, and six (30 MB in all) with names as long as names can be."""


def is_about_one(check: Check) -> bool:
    """Whether the check's finding depends on the client alone, and on no state."""
    return check.cost in (Cost.MEMORY, Cost.LOOKUP) and bool(check.needs) and check.needs <= FACTS


def is_about_domain(check: Check) -> bool:
    """Whether it depends on the client and the sender's domain alone, and on no state."""
    needs = check.needs
    by_domain = check.cost is Cost.LOOKUP and "sender" in needs and getattr(check, "by_domain", False)
    return by_domain and needs <= FACTS | {"sender"}


Key = tuple[IPAddress | None, str, str, str]


MOST_DOMAINS = 8
"""Sender domains of one client that are kept; mail hosts of many customers ask anew for the others."""


class Replay(NamedTuple):
    """What the lasting rules of a phase came to: those that found nothing, and what the others told."""

    judged: list[Judged]
    told: list[tuple[Rule, Found]]


Replays = dict[tuple[Hashable, ...], Replay]


class SenderDomain:
    """What the rules about a client and one sender domain came to. `memo`: what was derived for it."""

    __slots__ = ("doubtful", "memo", "replays")

    def __init__(self) -> None:
        self.doubtful = False
        self.memo: dict[str, Any] = {}
        self.replays: Replays = {}


class Client:
    """`found`: by look key; `memo`: what was derived; `replays`: by part of a phase and by what shut its
    gates; `domains`: the same for the sender domains it used. `doubtful`: something could not tell.
    """

    __slots__ = ("domains", "doubtful", "found", "made", "memo", "replays", "shared")

    def __init__(self, now: float) -> None:
        self.found: dict[int, Found] = {}
        self.memo: dict[str, Any] = {}
        self.replays: Replays = {}
        self.domains: dict[str, SenderDomain] = {}
        self.made = now
        self.doubtful = False
        self.shared = False

    def domain(self, sender: Address) -> SenderDomain | None:
        """The record of the sender's domain; None for one that is no domain, or one too many."""
        name = _name(sender)
        if name is None:
            return None
        held = self.domains.get(name)
        if held is None and len(self.domains) < MOST_DOMAINS:
            held = self.domains[name] = SenderDomain()
        return held

    def forget(self, sender: Address) -> None:
        """Forget the record of the sender's domain."""
        self.domains.pop(_name(sender) or "", None)


class Clients:
    """The clients of the last seconds; who came first is forgotten first."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: OrderedDict[Key, Client] = OrderedDict()

    def meet(self, mail: Mail, now: float) -> Client:
        """What is known of the client of `mail`, or an empty record. `now`: monotonic seconds."""
        held = self._held.get(_key(mail))
        if held is not None and now - held.made < FOR:
            return held
        return Client(now)

    def keep(self, mail: Mail, client: Client) -> None:
        """Keep what was found, for those who ask next; forget a client about whom something is in doubt."""
        key = _key(mail)
        if client.doubtful:
            if self._held.get(key) is client:
                del self._held[key]
            return
        if client.shared:
            return
        client.shared = True
        self._held[key] = client
        self._held.move_to_end(key)
        if len(self._held) > MOST:
            self._held.popitem(last=False)


def _name(sender: Address) -> str | None:
    return sender.domain or ("" if sender.is_null else None)


def _key(mail: Mail) -> Key:
    ask = mail.known.get
    return ask("client_address"), ask("client_name", ""), ask("reverse_client_name", ""), ask("helo_name", "")
