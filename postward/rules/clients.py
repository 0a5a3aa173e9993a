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


Key = tuple[IPAddress | None, str, str, str]


class Replay(NamedTuple):
    """What the lasting rules of a phase came to: those that found nothing, and what the others told."""

    judged: list[Judged]
    told: list[tuple[Rule, Found]]


class Client:
    """`found`: by look key; `memo`: what was derived; `replays`: by phase and by what shut its gates.

    `doubtful`: something could not tell.
    """

    __slots__ = ("doubtful", "found", "made", "memo", "replays", "shared")

    def __init__(self, now: float) -> None:
        self.found: dict[int, Found] = {}
        self.memo: dict[str, Any] = {}
        self.replays: dict[tuple[Hashable, ...], Replay] = {}
        self.made = now
        self.doubtful = False
        self.shared = False


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


def _key(mail: Mail) -> Key:
    ask = mail.known.get
    return ask("client_address"), ask("client_name", ""), ask("reverse_client_name", ""), ask("helo_name", "")
