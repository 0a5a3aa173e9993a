"""The asyncio transport: connections of the MTA on listening sockets, and the house behind them.

Promise: one packet is worked on at a time; what arrives meanwhile waits, in bounded memory. A peer
that breaks the protocol or dawdles is closed with one log line. When we fail ourselves the MTA gets
the configured answer and the log the reason. Draining finishes the messages that are in flight.
"""

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Coroutine, Iterable
from typing import Any, Final, cast

from milters.actions import Answer, encode_answer
from milters.events import decode
from milters.session import Session
from milters.settings import MilterSettings
from milters.wire import Decoder, Packet, ProtocolError
from postward import eager
from postward.house import House

__all__ = ["MilterServer", "MilterSettings"]

_log = logging.getLogger("postward.milter")
_SWEEP: Final = 1.0  # seconds between looks for slow peers
_DRAIN_STEP: Final = 0.05
_FRESH: Final = 1.0  # seconds: a client that spoke this lately may be about to send a message
_BACKLOG: Final = 1024
_AT_ONCE: Final = 4  # accepted in one turn of the loop, so that workers on one socket share the load
_GRACE: Final = 5.0  # seconds beyond the deadline in which an answer must come


class MilterServer:
    """Serves the milter protocol. `house` may be replaced: sessions keep the one they began with."""

    def __init__(self, settings: MilterSettings, house: House) -> None:
        self.settings = settings
        self.house = house
        self.connections: set[Connection] = set()
        self.draining = False
        self._servers: list[asyncio.Server] = []
        self._sweeper: asyncio.TimerHandle | None = None
        self._refused = 0

    async def start(self, sockets: Iterable[socket.socket]) -> None:
        """Accept on `sockets`, which are bound; they are closed by `drain`."""
        loop = asyncio.get_running_loop()
        for sock in sockets:
            serve = loop.create_unix_server if sock.family is socket.AF_UNIX else loop.create_server
            server = await serve(lambda: Connection(self), sock=sock, backlog=_AT_ONCE)
            sock.listen(_BACKLOG)
            self._servers.append(server)
        self._sweep()

    async def drain(self, within: float) -> bool:
        """Stop accepting, finish the messages in flight in at most `within` seconds, close all.

        Gives whether all were finished; those that were not are cut, and Postfix's own default
        action (`milter_default_action`) answers for them.
        """
        self.draining = True
        for server in self._servers:
            server.close()
        loop = asyncio.get_running_loop()
        until = loop.time() + within
        while self.connections and loop.time() < until:
            for connection in tuple(self.connections):
                connection.close_if_idle(_FRESH)
            await asyncio.sleep(_DRAIN_STEP)
        cut = tuple(self.connections)
        for connection in cut:
            connection.abort("still busy when the time to stop had come")
        await asyncio.sleep(0)  # let the transports close
        if self._sweeper is not None:
            self._sweeper.cancel()
        return not cut

    def admit(self, connection: "Connection") -> bool:
        """Whether one more connection is served."""
        if self.draining or len(self.connections) >= self.settings.connections:
            self._refused += 1
            return False
        self.connections.add(connection)
        return True

    def _sweep(self) -> None:
        """Close slow peers and say how many were refused, once a second."""
        loop = asyncio.get_running_loop()
        for connection in tuple(self.connections):
            connection.close_if_slow(loop.time())
        if self._refused:
            _log.warning(
                "%d connections refused: %d are open (milter.connections)",
                self._refused,
                len(self.connections),
            )
            self._refused = 0
        self._sweeper = loop.call_later(_SWEEP, self._sweep)


class Connection(asyncio.Protocol):
    """One connection of the MTA."""

    def __init__(self, server: MilterServer) -> None:
        self._server = server
        self._settings = server.settings
        self._session = Session(server.settings, server.house)
        self._decoder = Decoder()
        self._packets: deque[Packet] = deque()
        self._waiting: asyncio.Task[Answer] | None = None
        self._full = False
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()
        self._transport: asyncio.Transport
        self._quick: socket.socket | None = None

    # --- asyncio.Protocol --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._quick = sock
            self._acknowledge()
        if not self._server.admit(self):
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        begun = self._decoder.inside
        if self._quick is not None:
            self._acknowledge()
        try:
            packets = self._decoder.feed(data)
        except ProtocolError as error:
            self.abort(str(error))
            return
        if packets or not begun:  # else a peer that sends single octets would never be slow
            self._heard = self._loop.time()
        self._packets.extend(packets)
        if self._waiting is None:
            self._work()
        else:
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        self._full = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._full = False
        if self._waiting is None:
            self._transport.resume_reading()
            self._work()

    def eof_received(self) -> bool:
        return False  # a half-closed MTA cannot want our answer

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        self._packets.clear()
        if self._waiting is not None:
            self._waiting.cancel()

    # --- Work --------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Hear the packets in turn until one has to wait for its answer, and write what is due."""
        session, packets = self._session, self._packets
        out: list[bytes] = []
        while packets and self._waiting is None and not self._full:
            command, payload = packets.popleft()
            try:
                heard = session.hear(decode(command, payload))
                answer = heard if isinstance(heard, tuple) else self._begin(heard)
                if answer:
                    out.append(encode_answer(answer))
            except ProtocolError as error:
                self.abort(str(error))
                return
            except Exception as error:  # noqa: BLE001  # our own trouble: the configured answer follows
                out.append(self._trouble(error))
        if out:
            self._transport.write(b"".join(out))
        if session.closed or (self._server.draining and self._at_rest()):
            self._transport.close()

    def _begin(self, judging: Coroutine[Any, Any, Answer]) -> Answer:
        """The answer, if it is there at once; else none yet: a task brings it."""
        started = eager.start(judging)
        if isinstance(started, eager.Ready):
            return started.value
        self._waiting = started
        started.add_done_callback(self._done)
        return ()

    def _done(self, task: asyncio.Task[Answer]) -> None:
        self._waiting = None
        if self._transport.is_closing():
            if not task.cancelled() and task.exception() is not None:
                self._trouble(task.exception())
            return
        try:
            octets = encode_answer(task.result())
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # the configured answer follows
            octets = self._trouble(error)
        self._heard = self._loop.time()
        self._transport.write(octets)
        if not self._full:
            self._transport.resume_reading()
        self._work()

    def _trouble(self, error: BaseException | None) -> bytes:
        trace = self._session.trace or "-"
        _log.error("trace=%s: trouble of our own: %s", trace, type(error).__name__, exc_info=error)
        return encode_answer(self._session.trouble())

    def _at_rest(self) -> bool:
        return self._waiting is None and not self._packets and not self._session.in_message

    def _acknowledge(self) -> None:
        """No delayed acknowledgement, which costs 40 ms where no reply follows (tcp(7))."""
        if self._quick is not None:
            self._quick.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    # --- The end -----------------------------------------------------------------------------------

    def abort(self, why: str) -> None:
        """Close at once, with one log line."""
        _log.warning("milter connection closed: %s", why)
        self._transport.abort()

    def close_if_slow(self, now: float) -> None:
        """Close a peer that says nothing for too long where it should; end an endless judgement."""
        silent = now - self._heard
        if self._waiting is not None:
            if silent > self._settings.deadline + _GRACE:
                self._waiting.cancel()
            return
        begun = self._decoder.inside or self._session.in_content or self._session.fresh
        limit = self._settings.packet if begun else self._settings.idle
        if silent > limit:
            self.abort(f"the MTA said nothing for {silent:.0f} s")

    def close_if_idle(self, fresh: float) -> None:
        """When draining: close unless a message is in flight or about to come."""
        if self._at_rest() and self._loop.time() - self._heard > fresh:
            self._transport.close()
