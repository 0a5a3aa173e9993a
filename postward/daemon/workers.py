"""Pre-forked workers: one parent that keeps `count` of them alive, on sockets that it bound.

The parent runs no event loop and no thread, so that it can fork at any time. It hears from each
worker through a socket pair, which also tells a worker that its parent is gone.

| event | what the parent does |
|---|---|
| a worker dies | starts another, at most 2 s later |
| SIGHUP | asks `reload`; if the new rules are good, tells the workers to take them over |
| SIGTERM, SIGINT | tells the workers to finish what they have; after `drain` seconds it kills them |
"""

import contextlib
import gc
import logging
import os
import selectors
import signal
import socket
import time
from dataclasses import dataclass, field
from typing import Protocol

from postward.daemon.start import CannotStart

_log = logging.getLogger("postward.workers")

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
MAX_DELAY = 2.0  # seconds until a worker that died is there again
_FIRST_DELAY = 0.1
_EARLY = 1.0  # a worker that dies younger than this gets a longer delay each time
_GIVE_UP = 5  # so many early deaths before any worker was ever ready
_GRACE = 3.0  # seconds beyond `drain` until a worker is killed
MAX_WORD = 16_384  # octets of one message between parent and worker


@dataclass(slots=True)
class Worker:
    """A running worker. `digest`: the rules that it runs by, empty until it is ready."""

    slot: int
    pid: int
    control: socket.socket
    born: float
    digest: str = ""
    reloading: bool = False
    error: str = ""


@dataclass(slots=True)
class _Slot:
    number: int
    worker: Worker | None = None
    not_before: float = 0.0
    delay: float = 0.0


class Owner(Protocol):
    """What the daemon does with its workers; all of it runs in the parent, between two waits."""

    def work(self, control: socket.socket) -> int:
        """The life of a worker, in the child; its exit status."""

    def reload(self) -> str:
        """SIGHUP: the digest of the new rules, empty to keep the old ones."""

    def changed(self, workers: list[Worker], settled: bool) -> None:
        """A worker became ready, answered or died. `settled`: all are there and none is reloading."""

    def stopping(self) -> None:
        """The end begins: nobody is to come in any more."""

    def idle(self) -> float:
        """Regular duties; seconds until they are due again."""


@dataclass(slots=True)
class Workers:
    """Keeps `count` workers alive until it is told to stop."""

    count: int
    owner: Owner
    drain: float = 30.0
    _slots: list[_Slot] = field(default_factory=list)
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _heard: set[int] = field(default_factory=set)
    _deadline: float | None = None
    _ever_ready: bool = False
    _early_deaths: int = 0
    _unclean: bool = False

    def run(self) -> int:
        """Work until SIGTERM; 0 when every worker could finish, else 1. Raises CannotStart."""
        self._slots = [_Slot(number) for number in range(self.count)]
        ears, mouth = socket.socketpair()
        ears.setblocking(False)
        mouth.setblocking(False)
        self._selector.register(ears, selectors.EVENT_READ)
        before = {number: signal.signal(number, lambda *_: None) for number in SIGNALS}
        wakeup = signal.set_wakeup_fd(mouth.fileno(), warn_on_full_buffer=False)
        try:
            while not (self._deadline is not None and not self._running()):
                self._fill()
                self._wait(ears)
                self._act()
        finally:
            self._kill()
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._selector.close()
            ears.close()
            mouth.close()
        return 1 if self._unclean else 0

    def _running(self) -> list[Worker]:
        return [slot.worker for slot in self._slots if slot.worker is not None]

    def _fill(self) -> None:
        """Start the workers that are missing and whose time has come."""
        if self._deadline is not None:
            return
        now = time.monotonic()
        for slot in self._slots:
            if slot.worker is None and now >= slot.not_before:
                slot.worker = self._fork(slot.number)
                self._selector.register(slot.worker.control, selectors.EVENT_READ, slot)

    def _fork(self, number: int) -> Worker:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        gc.collect()
        gc.freeze()  # what is here now stays in pages that all workers share
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        pid = os.fork()
        if pid == 0:
            ours.close()
            self._be_worker(theirs)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        theirs.close()
        ours.setblocking(False)
        return Worker(number, pid, ours, time.monotonic())

    def _be_worker(self, control: socket.socket) -> None:
        """The child: forget the parent's signals and siblings, work, and leave without its clean-up."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in SIGNALS:
                signal.signal(number, signal.SIG_IGN if number == signal.SIGHUP else signal.SIG_DFL)
            self._selector.close()
            for worker in self._running():
                worker.control.close()  # else its end would not be seen when the parent dies
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            status = self.owner.work(control)
        except BaseException:  # noqa: BLE001  # the last one who can say anything
            _log.exception("a worker ends")
        finally:
            os._exit(status)

    def _wait(self, ears: socket.socket) -> None:
        """Sleep until a signal, a word of a worker, or the next thing that is due."""
        now = time.monotonic()
        dues = [now + self.owner.idle()]
        dues += [slot.not_before for slot in self._slots if slot.worker is None and self._deadline is None]
        if self._deadline is not None:
            dues.append(self._deadline)
        for key, _ in self._selector.select(max(0.0, min(dues) - now)):
            if key.data is None:
                self._heard.update(ears.recv(4096))
            else:
                self._listen(key.data)

    def _act(self) -> None:
        """Do what the signals ask for."""
        heard, self._heard = self._heard, set()
        if signal.SIGCHLD in heard:
            self._bury()
        if heard & {signal.SIGTERM, signal.SIGINT}:
            self._stop()
        elif signal.SIGHUP in heard and self._deadline is None:
            self._reload()
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self._kill()

    def _listen(self, slot: _Slot) -> None:
        worker = slot.worker
        if worker is None:
            return
        try:
            word = worker.control.recv(MAX_WORD)
        except BlockingIOError:
            return
        except OSError:
            word = b""
        if not word:  # it is gone; SIGCHLD brings the rest
            self._selector.unregister(worker.control)
            return
        kind, _, text = word.decode("utf-8", "replace").partition(" ")
        worker.reloading = False
        if kind == "runs":
            worker.digest, worker.error = text, ""
            self._ever_ready = True
        else:
            worker.error = text
        self._tell_owner()

    def _tell_owner(self) -> None:
        workers = self._running()
        settled = len(workers) == self.count and all(each.digest and not each.reloading for each in workers)
        self.owner.changed(workers, settled)

    def _reload(self) -> None:
        if not self.owner.reload():
            return
        for worker in self._running():
            worker.reloading = True
            with contextlib.suppress(OSError):  # it is dying: its successor has the new rules
                worker.control.send(b"reload")

    def _stop(self) -> None:
        """Let everybody finish; asked again, there is no more time."""
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + self.drain + _GRACE
            self.owner.stopping()
        else:
            self._deadline = now
        for worker in self._running():
            os.kill(worker.pid, signal.SIGTERM)

    def _kill(self) -> None:
        for worker in self._running():
            _log.error("worker %d did not finish in time and is killed", worker.pid)
            self._unclean = True
            os.kill(worker.pid, signal.SIGKILL)
            os.waitpid(worker.pid, 0)
            self._forget(self._slots[worker.slot])

    def _bury(self) -> None:
        """Collect the dead; plan their successors."""
        for slot in self._slots:
            worker = slot.worker
            if worker is None:
                continue
            pid, status = os.waitpid(worker.pid, os.WNOHANG)
            if pid == 0:
                continue
            self._forget(slot)
            if self._deadline is None:
                self._plan_successor(slot, worker, os.waitstatus_to_exitcode(status))
            elif os.waitstatus_to_exitcode(status) not in (0, -signal.SIGTERM):
                # -SIGTERM: it was told to stop before it listened, so it had no message in work.
                _log.error("worker %d ended with status %d", pid, os.waitstatus_to_exitcode(status))
                self._unclean = True

    def _forget(self, slot: _Slot) -> None:
        if slot.worker is not None:
            with contextlib.suppress(KeyError):  # its end was seen before
                self._selector.unregister(slot.worker.control)
            slot.worker.control.close()
            slot.worker = None

    def _plan_successor(self, slot: _Slot, dead: Worker, status: int) -> None:
        now = time.monotonic()
        early = now - dead.born < _EARLY
        slot.delay = min(MAX_DELAY, max(_FIRST_DELAY, slot.delay * 2)) if early else 0.0
        slot.not_before = now + slot.delay
        _log.error("worker %d died (status %d); another starts in %.1f s", dead.pid, status, slot.delay)
        self._early_deaths += 1
        if not self._ever_ready and self._early_deaths >= _GIVE_UP:
            raise CannotStart(f"{_GIVE_UP} workers died before any was ready; the log says why")
        self._tell_owner()
