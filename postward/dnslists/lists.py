"""The lists of a site: asks all that are on at the same time. Implements `postward.tools.DnsLists`.

One object for the life of the daemon. `take_over` gives it other definitions: a list that stays as it
was keeps its state, any list keeps its numbers, and a look that is under way ends with those it began
with.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from postward import eager
from postward.dnslists import question
from postward.dnslists.answer import CLEAN, Nonsense, Refused, Said, Silent
from postward.dnslists.definition import ABOUT, Definition
from postward.dnslists.question import Orgs
from postward.dnslists.statistics import State
from postward.dnslists.watched import Watched
from postward.mail import IPAddress
from postward.tools import Answer, Dns, Listing, Listings, Trouble

Begun = tuple[Watched, str, eager.Ready[Answer[str]] | asyncio.Task[Answer[str]]]
"""One question: the list, the subject, and the answer that is there or on its way."""
_NOTHING = Listings()


class AskedLists:
    """The lists of `definitions`; each is asked from when the guard finds it in order.

    `states`: how each was when the daemon ran last. `org` gives the organizational domain of a name.
    """

    def __init__(
        self,
        definitions: Iterable[Definition],
        dns: Dns,
        org: Orgs,
        states: Mapping[str, State] | None = None,
    ) -> None:
        self._dns = dns
        self._org = org
        self._watched: dict[str, Watched] = {}
        self._of: dict[str, tuple[Watched, ...]] = {}
        for definition in definitions:
            self._watched[definition.name] = _untested(definition, (states or {}).get(definition.name))
        self.sort()

    @property
    def watched(self) -> tuple[Watched, ...]:
        """All lists that are switched on, in order or not."""
        return tuple(self._watched.values())

    def take_over(self, definitions: Iterable[Definition]) -> None:
        """From now on these lists; one that is new or changed is not asked until it passed its test."""
        before = self._watched
        self._watched = {}
        for definition in definitions:
            old = before.get(definition.name)
            if old is not None and old.definition == definition:
                self._watched[definition.name] = old
            else:
                self._watched[definition.name] = _untested(definition, old.state if old is not None else None)
        self.sort()

    def sort(self) -> None:
        """Note which lists are in order now, for each thing that they are asked about."""
        on = [each for each in self._watched.values() if each.state.on]
        self._of = {about: tuple(each for each in on if about in each.definition.about) for about in ABOUT}

    def asks(self, about: str) -> bool:
        """Whether any list would be asked about that."""
        return bool(self._of[about])

    async def look(self, about: str, what: IPAddress | str) -> Listings:
        """What the lists say; see `postward.tools.DnsLists`."""
        asked = self._of[about]
        if not asked:
            return _NOTHING
        if isinstance(what, str):
            subject = name = question.domain(what)
            begun = [
                self._begin(each, labels) for each in asked if name for labels in self._names(each, name)
            ]
        else:
            subject = question.of_address(what)
            begun = [
                self._begin(each, subject)
                for each in asked
                if subject and (what.version == 4 or each.definition.ipv6)
            ]
        return _sum(subject, [(each, each.read(reply)) for each, reply in await _replies(begun)])

    def _names(self, each: Watched, name: str) -> tuple[str, ...]:
        return question.of_name(name, each.definition.names, self._org)

    def _begin(self, each: Watched, labels: str) -> Begun:
        return each, labels, eager.start(self._dns.a(each.definition.asked(labels)))

    def verdict(self, listed: Listings, refused: bool) -> None:
        """Count a mail that `listed` was said of: did its end agree with the lists?"""
        kinds = {(each.list, each.score > 0) for each in listed.found}
        for name, blocks in kinds:
            watched = self._watched.get(name)
            if watched is None:  # taken out by a reload
                continue
            if blocks == refused:
                watched.state.counts.agreed += 1
            else:
                watched.state.counts.disagreed += 1


def _untested(definition: Definition, before: State | None) -> Watched:
    """A list that is not asked yet; it keeps its numbers, and whether a person knows that it is off."""
    state = State() if before is None else State(alarmed=before.alarmed, counts=before.counts)
    return Watched(definition, state)


async def _replies(begun: Sequence[Begun]) -> list[tuple[Watched, Answer[str]]]:
    """Each answer, or that there was none in the time of its list."""
    tasks = {task: each.definition.within for each, _, task in begun if isinstance(task, asyncio.Task)}
    if tasks:
        await _settled(tasks)
    return [(each, _answer(each.definition, reply)) for each, _, reply in begun]


async def _settled(tasks: Mapping["asyncio.Task[Answer[str]]", float]) -> None:
    """Wait until each task is done or its seconds are over."""
    loop = asyncio.get_running_loop()
    timers = [loop.call_later(within, task.cancel) for task, within in tasks.items()]
    try:
        await asyncio.wait(tasks)
    finally:
        for timer in timers:
            timer.cancel()
        for task in tasks:
            task.cancel()


def _answer(
    definition: Definition, reply: eager.Ready[Answer[str]] | asyncio.Task[Answer[str]]
) -> Answer[str]:
    if isinstance(reply, eager.Ready):
        return reply.value
    return Trouble(f"no answer in {definition.within:g} s") if reply.cancelled() else reply.result()


def _sum(subject: str, replies: Sequence[tuple[Watched, Said]]) -> Listings:
    """What all lists said together; each answer is counted."""
    if all(said is CLEAN for _, said in replies):  # the usual case
        for each, _ in replies:
            each.clean(subject)
        return _NOTHING
    found: dict[Watched, tuple[Listing, ...]] = {}
    unsure: dict[str, None] = {}
    for each, said in replies:
        listings, known = each.note(said), found.get(each, ())
        found[each] = known + tuple(new for new in listings if new not in known) if listings else known
        if isinstance(said, Refused | Nonsense | Silent):
            unsure[f"{each.definition.name}: {said.why}"] = None
    sole = _sole(found) if any(found.values()) else frozenset()
    for each, listings in found.items():
        alone = each in sole
        each.state.counts.unique += alone
        each.met(subject, bool(listings), alone)
    if not unsure and not any(found.values()):
        return _NOTHING
    return Listings(tuple(one for listings in found.values() for one in listings), tuple(unsure))


def _sole(found: Mapping[Watched, tuple[Listing, ...]]) -> frozenset[Watched]:
    """The lists that are the only one of their kind, block or allow, to have the subject."""
    blocking = [each for each, listings in found.items() if any(one.score > 0 for one in listings)]
    allowing = [each for each, listings in found.items() if any(one.score < 0 for one in listings)]
    return frozenset(each for kind in (blocking, allowing) if len(kind) == 1 for each in kind)
