"""`postward milter`: the milter of this configuration in the foreground.

On the own codec it is a parent with pre-forked workers, on libmilter one process.
"""

import asyncio
import logging
import signal
import socket
from dataclasses import dataclass, field
from pathlib import Path

from milters.serve import MilterServer
from milters.settings import MilterSettings
from postward import trace
from postward.daemon import libmilter
from postward.daemon import log as daemon_log
from postward.daemon.configuration import Configuration, configure, reconfigure
from postward.daemon.directories import make_missing, warn_of_closed_doors
from postward.daemon.log import Log
from postward.daemon.notify import Notifier
from postward.daemon.process import Desk, Reloader, run
from postward.daemon.start import bind, findings_key, inode, unlink
from postward.daemon.wiring import open_house, warn_of_restart
from postward.daemon.workers import MAX_WORD, Worker, Workers
from postward.rules.errors import ConfigErrors
from postward.stage import Door

DRAIN = 30.0  # seconds for the messages that are in flight
_log = logging.getLogger("postward.daemon")


def main(directory: Path) -> int:
    """Serve until SIGTERM; 0 when every message in flight could finish. Raises ConfigErrors, CannotStart."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # its default is to die; a reload can wait until we serve
    configuration = configure(directory)
    settings = configuration.settings
    log = daemon_log.set_up(settings.log.format, settings.log.level)
    configuration.warn_of_doubts()
    make_missing(settings)
    key = findings_key(settings.findings_key)
    if settings.milter.transport == "libmilter":
        return run(libmilter.serve(configuration, door_settings(configuration), log, key, drain=DRAIN))
    listeners = bind(settings.milter.listen, settings.milter.socket_mode)
    warn_of_closed_doors(settings.milter.listen)
    parent = Parent(configuration, log, key, listeners)
    try:
        return Workers(settings.milter.workers, parent, DRAIN).run()
    finally:
        parent.close()


def door_settings(configuration: Configuration) -> MilterSettings:
    """The part of the settings that the door itself wants."""
    settings = configuration.settings
    section = settings.milter
    return MilterSettings(
        authserv_id=settings.authserv_id,
        deadline=section.deadline,
        on_trouble=section.on_trouble,
        connections=section.connections,
        idle=section.idle,
        authentication_results=section.authentication_results,
        verdict_header=section.verdict_header,
        findings=Door.POLICYD in settings.doors,
    )


@dataclass(slots=True)
class Parent:
    """What the parent of the workers does; it holds the configuration that the next worker starts with."""

    configuration: Configuration
    log: Log
    key: bytes
    listeners: list[socket.socket]
    notifier: Notifier = field(default_factory=Notifier)
    desk: Desk = field(init=False)
    _inodes: list[int] = field(init=False)
    _serving: bool = False
    _reloading: bool = False

    def __post_init__(self) -> None:
        self.desk = Desk("milter", self.configuration, self.notifier)
        self._inodes = [inode(listener) for listener in self.listeners]

    def work(self, control: socket.socket) -> int:
        """The life of one worker."""
        trace.reseed()
        return run(_work(self.configuration, self.log, self.key, self.listeners, control))

    def reload(self) -> str:
        """Read the directory again; good rules are handed on to the workers."""
        self.desk.reloading()
        try:
            fresh = reconfigure(self.configuration.directory)
        except ConfigErrors as errors:
            self.desk.refused(str(errors))
            return ""
        warn_of_restart(self.configuration.settings, fresh.settings)
        fresh.warn_of_doubts()
        self.configuration = fresh
        self._reloading = True
        return fresh.rules.digest

    def changed(self, workers: list[Worker], settled: bool) -> None:
        """Tell the world once all workers serve, and once all have answered a reload."""
        if not settled:
            return
        if not self._serving:
            self._serving = True
            self.desk.ready(self.configuration.rules)
        elif self._reloading:
            self._reloading = False
            wrong = [each for each in workers if each.digest != self.configuration.rules.digest]
            if wrong:
                why = next((each.error for each in wrong if each.error), "the files changed meanwhile")
                self.desk.refused(f"{len(wrong)} of {len(workers)} workers keep the old rules: {why}")
            else:
                self.desk.reloaded(self.configuration.rules)

    def stopping(self) -> None:
        """Close our ends of the sockets: else clients would wait in a queue that nobody serves."""
        self.desk.stopping()
        self.close()

    def close(self) -> None:
        """Let go of the sockets."""
        unlink(self.listeners, self._inodes)
        for listener in self.listeners:
            listener.close()
        self.listeners, self._inodes = [], []

    def idle(self) -> float:
        """Feed the watchdog."""
        if not self.notifier.watchdog:
            return 3600.0
        self.notifier.alive()
        return self.notifier.watchdog


async def _work(
    configuration: Configuration, log: Log, key: bytes, listeners: list[socket.socket], control: socket.socket
) -> int:
    loop = asyncio.get_running_loop()
    log.sink.attach(loop)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with open_house(configuration, log, key, Door.MILTER) as house:
        server = MilterServer(door_settings(configuration), house)
        await server.start(listeners)
        link = Link(control, Reloader(house, configuration, Door.MILTER), stop)
        link.open(loop)
        await stop.wait()
        finished = await server.drain(DRAIN)
    log.sink.detach()
    return 0 if finished else 1


@dataclass(slots=True)
class Link:
    """A worker's end of the line to its parent. When the parent is gone, the worker finishes too."""

    control: socket.socket
    reloader: Reloader
    stop: asyncio.Event
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Listen to the parent and tell it that this worker serves."""
        self.control.setblocking(False)
        loop.add_reader(self.control, self._hear)
        self._say("runs", self.reloader.configuration.rules.digest)

    def _hear(self) -> None:
        try:
            word = self.control.recv(MAX_WORD)
        except BlockingIOError:
            return
        if not word:
            asyncio.get_running_loop().remove_reader(self.control)
            _log.error("the parent of this worker is gone: it finishes what it has")
            self.stop.set()
            return
        task = asyncio.get_running_loop().create_task(self._reload())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reload(self) -> None:
        try:
            digest = await self.reloader.reload()
        except ConfigErrors as errors:
            self._say("failed", str(errors))
        else:
            self._say("runs", digest)

    def _say(self, kind: str, text: str) -> None:
        self.control.send(f"{kind} {text}".encode()[:MAX_WORD])
