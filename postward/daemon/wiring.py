"""How the parts are put together: the tools for checks, and a house for a door."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from postward.daemon.config import Settings
from postward.daemon.configuration import Configuration
from postward.daemon.dnslists import definitions
from postward.daemon.log import Log
from postward.daemon.record import Recorder
from postward.daemon.start import CannotStart
from postward.derive.orgdomain import org_domain
from postward.dns.config import servers_from
from postward.dns.resolver import Resolver
from postward.dnslists import statistics
from postward.dnslists.guard import Guard
from postward.dnslists.lists import AskedLists
from postward.house import House, Learn, learn_nothing
from postward.journal import Pseudonyms, Record, row
from postward.learning import Learner, about_recipients
from postward.networks.database import open_networks
from postward.outcomes import Points
from postward.rules.ruleset import Ruleset
from postward.stage import Door, Stage
from postward.state import Store
from postward.store.database import SchemaRefused
from postward.store.factory import open_store
from postward.store.journal import JournalWriter
from postward.tools import Clock, Dns, Networks, NoNetworks, Tools

_log = logging.getLogger("postward.daemon")
_CHANGEABLE = {"dns_lists", "networks", "own_domains", "ratings"}  # of postward.yml


class SystemClock:
    """The machine's clocks."""

    wall = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


def resolver(settings: Settings, clock: Clock) -> Dns:
    """The look-ups as configured. Belongs to the event loop that first uses it."""
    dns = settings.dns
    return Resolver(dns.servers or servers_from(), dns.timeout, dns.attempts, dns.cache, clock, org_domain)


def tools(configuration: Configuration, dns: Dns, store: Store, clock: Clock) -> Tools:
    """What checks work with, by this configuration."""
    return Tools(dns, store, clock, configuration.rules.lists, configuration.settings.own_domains)


def networks(configuration: Configuration, door: Door, before: Networks) -> Networks:
    """The databases of networks; what has not changed is taken from `before`. Takes seconds: in a thread.

    A milter's worker, of which there are several, reads them only for a rule of its own.
    """
    files = configuration.settings.networks.asn_file
    if door is Door.MILTER and not _asks_systems(configuration.rules, door):
        files = ()
    return open_networks(files, before) if files else NoNetworks()


def _asks_systems(rules: Ruleset, door: Door) -> bool:
    """Whether a rule at `door` looks at a list that holds AS numbers."""
    asked: set[str] = set()
    for rule in rules.rules:
        if rule.door is door:
            asked |= getattr(rule.check, "lists", frozenset())
            conditions = (*rule.gate.when, *rule.gate.unless) if rule.gate is not None else ()
            asked |= {each.argument for each in conditions if each.word == "client_in"}
    return any(rules.lists[name].has_systems for name in asked if name in rules.lists)


def learning(configuration: Configuration, door: Door) -> Learn:
    """What is learned from mail at `door`: at the first one in use, so that nothing is learned twice."""
    if door is Door.MILTER and Door.POLICYD in configuration.settings.doors:
        return learn_nothing
    points, rules = (
        Points(**configuration.settings.ratings.model_dump(exclude={"half_life"})),
        configuration.rules,
    )
    late = door is Door.MILTER or rules.carries or rules.judges_late(door)
    return Learner(
        points,
        about_recipients(rules),
        suspicious=rules.thresholds.greylist,
        counts_at=Stage.DATA if late else Stage.RCPT,
    ).learn


def dns_lists_file(settings: Settings) -> Path | None:
    """Where the numbers of DNS lists are kept: beside the store, or nowhere."""
    path = settings.store.path
    return path.with_name(f"{path.name}-dns-lists.json") if settings.store.kind == "sqlite" else None


def watch_dns_lists(house: House, settings: Settings, tell: Callable[[str], None]) -> Guard:
    """Give the house its DNS lists; none is asked until the guard, which is to be run, has tested it."""
    kit, file = house.tools, dns_lists_file(settings)
    states = statistics.load(file) if file is not None else {}
    dns = kit.dns.apart() if isinstance(kit.dns, Resolver) else kit.dns
    kit.dns_lists = lists = AskedLists(definitions(settings.dns_lists), dns, org_domain, states)
    return Guard(lists, dns, kit.clock, file=file, tell=tell)


async def tested_dns_lists(settings: Settings, dns: Dns, clock: Clock) -> AskedLists:
    """The DNS lists for one question, just tested; no number is kept."""
    lists = AskedLists(definitions(settings.dns_lists), dns, org_domain)
    await Guard(lists, dns, clock).tend()
    return lists


def pseudonyms(settings: Settings, key: bytes) -> Pseudonyms:
    """How addresses are spelled in journal and log."""
    wanted = settings.journal is not None and settings.journal.pseudonymise
    return Pseudonyms(key if wanted else None)


@asynccontextmanager
async def open_house(
    configuration: Configuration, log: Log, key: bytes, door: Door = Door.POLICYD
) -> AsyncIterator[House]:
    """The house for one process, with its store and journal open, in the running event loop."""
    settings, clock = configuration.settings, SystemClock()
    names = pseudonyms(settings, key)
    writer: JournalWriter[Record] | None = None
    if settings.journal is not None:
        kept = settings.journal
        writer = JournalWriter(
            kept.path,
            keep_seconds=kept.keep,
            max_bytes=kept.max_size,
            render=lambda record: row(record, names),
        )
    try:
        store = open_store(settings.store.kind, settings.store.path, half_life=settings.ratings.half_life)
    except SchemaRefused as refused:
        raise CannotStart(str(refused)) from None
    try:
        record = Recorder(log, clock, names, writer.write if writer is not None else None)
        kit = tools(configuration, resolver(settings, clock), store, clock)
        kit.networks = await asyncio.to_thread(networks, configuration, door, kit.networks)
        yield House(configuration.rules, kit, record, key, learning(configuration, door))
    finally:
        store.close()
        if writer is not None:
            writer.close()


def take_over(
    house: House, configuration: Configuration, fresh: Networks | None = None, door: Door = Door.POLICYD
) -> None:
    """From now on judge by `configuration`; a message that is under way keeps what it began with."""
    now = house.tools
    house.tools = tools(configuration, now.dns, now.store, now.clock)
    house.tools.networks = fresh if fresh is not None else now.networks
    house.tools.dns_lists = now.dns_lists
    house.tools.lately = now.lately
    if isinstance(now.dns_lists, AskedLists):
        now.dns_lists.take_over(definitions(configuration.settings.dns_lists))
    house.rules = configuration.rules
    house.learn = learning(configuration, door)


def warn_of_restart(old: Settings, new: Settings) -> None:
    """Say which changed settings wait for a restart."""
    for name in type(old).model_fields:
        if name not in _CHANGEABLE and getattr(old, name) != getattr(new, name):
            _log.warning("%s changed: this takes a restart", name)
    if old.ratings.half_life != new.ratings.half_life:  # the store's; the points are taken over
        _log.warning("ratings.half_life changed: this takes a restart")
