"""`postward policyd`: the policy service of this configuration, in one process, in the foreground."""

import asyncio
import gc
import signal
import socket
import sys
from pathlib import Path

from policyd.serve import PolicyServer, PolicySettings
from postward.daemon import holds
from postward.daemon import log as daemon_log
from postward.daemon.configuration import Configuration, configure
from postward.daemon.directories import make_missing, warn_of_closed_doors
from postward.daemon.duties import Duties
from postward.daemon.log import Log
from postward.daemon.notify import Notifier
from postward.daemon.process import Desk, Reloader, live, run
from postward.daemon.start import bind, findings_key, inode, unlink
from postward.daemon.wiring import open_house, watch_dns_lists

GARBAGE = (50_000, 20, 50)
"""Little of a message is cyclic; at the usual 700 objects the collector takes a tenth of the time."""
TURN = 0.001
"""Seconds after which a thread (journal, store) lets go for the answers; Python's five are felt in p99."""
BACKLOG = 1024  # connections that wait to be taken in; Postfix gives up at once where a queue is full
DRAIN = 10.0  # seconds for the requests that wait for an answer; Postfix asks again after that


def main(directory: Path) -> int:
    """Serve until SIGTERM; 0 then. Raises ConfigErrors and CannotStart."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # its default is to die; a reload can wait until we serve
    configuration = configure(directory)
    settings = configuration.settings
    log = daemon_log.set_up(settings.log.format, settings.log.level)
    configuration.warn_of_doubts()
    make_missing(settings)
    key = findings_key(settings.findings_key)
    listeners = bind(settings.policyd.listen, settings.policyd.socket_mode)
    warn_of_closed_doors(settings.policyd.listen)
    gc.collect()
    gc.freeze()  # what the rules hold stays; the collector need not look at it again
    gc.set_threshold(*GARBAGE)
    sys.setswitchinterval(TURN)
    return run(_serve(configuration, log, key, listeners))


async def _serve(configuration: Configuration, log: Log, key: bytes, listeners: list[socket.socket]) -> int:
    loop = asyncio.get_running_loop()
    log.sink.attach(loop)
    notifier = Notifier()
    desk = Desk("policyd", configuration, notifier)
    inodes = [inode(listener) for listener in listeners]
    section = configuration.settings.policyd
    async with open_house(configuration, log, key) as house:
        server = PolicyServer(house, PolicySettings(section.connections, section.idle, section.deadline))
        doors = [
            await loop.create_server(server.protocol, sock=listener, backlog=BACKLOG)
            for listener in listeners
        ]
        settings = configuration.settings
        tells = holds.teller(house, settings.notify, settings.authserv_id)
        duties = Duties()
        duties.add("the guard of DNS lists", watch_dns_lists(house, settings, tells.tell).run)
        duties.add("the clerk of holds", holds.clerk(house, tells, settings.rdap).run)
        async with duties:
            await live(desk, Reloader(house, configuration), notifier)
        unlink(listeners, inodes)
        for door in doors:
            door.close()
        await server.drain(DRAIN)
    log.sink.detach()
    return 0
