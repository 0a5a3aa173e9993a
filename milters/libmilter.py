"""The libmilter transport: the same sessions behind Sendmail's library, by pymilter (extra `libmilter`).

libmilter speaks the protocol and calls us back in threads of its own, which change within a session.
A callback does nothing there but build the event that the codec would have given, and waits for the
answer of the one asyncio loop. Events that need no answer are kept and go with the next that does.

Known of pymilter 1.0.5: a HELO name, field name or macro that is no UTF-8 raises before or in the
callback, so `on_trouble` is its exception policy too, and the steps where that can happen are never
silent. libmilter cuts sessions when it is stopped, so `drain` stops it only when no message is left.
"""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import milter

from milters.actions import (
    CONTINUE,
    SILENCE,
    Action,
    Answer,
    ChangeHeader,
    DeleteRecipient,
    InsertHeader,
    Negotiated,
    PutOnHold,
    ReplaceBody,
    Reply,
    ReplyCode,
)
from milters.events import (
    FAMILY_INET,
    FAMILY_INET6,
    FAMILY_UNIX,
    FAMILY_UNKNOWN,
    Abort,
    Body,
    Connect,
    Data,
    EndOfHeaders,
    EndOfMessage,
    Event,
    Header,
    Helo,
    MailFrom,
    Negotiate,
    Quit,
    RcptTo,
    Unknown,
    macros,
)
from milters.negotiate import MACROS
from milters.session import Session
from milters.settings import MilterSettings
from milters.wire import VERSION, ProtocolError, Steps
from postward.house import House

_log = logging.getLogger("postward.milter")
_NAME: Final = "postward"
_DRAIN_STEP: Final = 0.05
_GRACE: Final = 5.0  # seconds beyond the deadline in which an answer must come
_STOP: Final = 10.0  # seconds; libmilter looks every 5 s whether it must stop
_BACKLOG: Final = 1024
_MAX_KEPT: Final = 500  # events that wait for one with an answer
_MAY_RAISE: Final = Steps.SILENT_CONNECT | Steps.SILENT_HELO | Steps.SILENT_HEADER | Steps.SILENT_UNKNOWN
# libmilter ignores the end of a message without any field unless it was told of the header's end.
_NOT_WANTED: Final = _MAY_RAISE | Steps.NO_END_OF_HEADERS
_FAMILIES: Final[dict[int, str]] = {
    socket.AF_INET: FAMILY_INET,
    socket.AF_INET6: FAMILY_INET6,
    socket.AF_UNIX: FAMILY_UNIX,
}
_RETURNS: Final = {
    Reply.CONTINUE: milter.CONTINUE,
    Reply.ACCEPT: milter.ACCEPT,
    Reply.DISCARD: milter.DISCARD,
    Reply.TEMPFAIL: milter.TEMPFAIL,
    Reply.REJECT: milter.REJECT,
    Reply.SKIP: milter.SKIP,
}
_POLICIES: Final = {"tempfail": milter.TEMPFAIL, "reject": milter.REJECT, "accept": milter.ACCEPT}
_STAGES: Final[dict[type, tuple[str, int]]] = {
    Connect: ("C", 0),
    Helo: ("H", 1),
    MailFrom: ("M", 2),
    RcptTo: ("R", 3),
    Data: ("T", 4),
    EndOfMessage: ("E", 5),
}


class LibmilterServer:
    """Serves by libmilter; one in a process. `house` may be replaced, as in `serve.MilterServer`."""

    def __init__(self, settings: MilterSettings, house: House) -> None:
        self.settings = settings
        self.house = house
        self.draining = False
        self.talks: set[Talk] = set()
        self.loop: asyncio.AbstractEventLoop
        self._path: Path | None = None
        self._thread: threading.Thread | None = None

    async def start(self, address: str, socket_mode: int = 0o660) -> None:
        """Listen on `unix:/path` or `inet:port@host`. Raises milter.error when that cannot be."""
        self.loop = asyncio.get_running_loop()
        _register(self)
        milter.setconn(address)
        milter.setbacklog(_BACKLOG)
        milter.opensocket(True)
        if address.startswith("unix:"):
            self._path = Path(address.removeprefix("unix:"))
            self._path.chmod(socket_mode)
        self._thread = threading.Thread(target=self._main, name="libmilter", daemon=True)
        self._thread.start()

    async def drain(self, within: float) -> bool:
        """Refuse new connections, finish the messages in flight in at most `within` seconds, stop."""
        self.draining = True
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        until = self.loop.time() + within
        while any(talk.busy for talk in self.talks) and self.loop.time() < until:  # noqa: ASYNC110  # libmilter's threads set no event
            await asyncio.sleep(_DRAIN_STEP)
        finished = not any(talk.busy for talk in self.talks)
        milter.stop()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, _STOP)
        return finished

    def _main(self) -> None:
        try:
            milter.main()
        except milter.error as error:
            _log.error("libmilter ended: %s", error)


class Talk:
    """One connection of the MTA, as libmilter tells of it."""

    def __init__(self, server: LibmilterServer) -> None:
        self._server = server
        self._session = Session(server.settings, server.house)
        self._kept: list[Event | Exception] = []
        self._terms = Negotiated(VERSION, 0, 0)
        self._stages: frozenset[type] = frozenset()

    @property
    def busy(self) -> bool:
        """Whether a message is under way."""
        return self._session.in_message

    def negotiate(self, ctx: Any, offered: list[int]) -> int:
        """Answer the MTA's offer by changing it in place."""
        answer = self._ask(Negotiate(VERSION, offered[0], offered[1]))
        if len(answer) != 1 or not isinstance(answer[0], Negotiated):
            return int(milter.REJECT)
        self._terms = answer[0]
        for stage, names in self._terms.macros:
            ctx.setsymlist(stage, names)
        offered[:] = [self._terms.actions, self._terms.steps & ~_NOT_WANTED, 0, 0]
        return int(milter.CONTINUE)

    def hear(self, ctx: Any, event: Event, silent: int, asks: bool) -> int:
        """Take an event; `silent` is its SMFIP_NR_* bit, `asks` whether it may have an answer."""
        self._keep_macros(ctx, type(event))
        if asks and not self._terms.steps & silent:
            return _apply(ctx, self._ask(event))
        if len(self._kept) >= _MAX_KEPT:  # a header of a million fields is the session's to bound
            answer = self._ask(event)
            if answer not in (SILENCE, CONTINUE):
                return _apply(ctx, answer)
        else:
            self._kept.append(event)
        return int(milter.NOREPLY if self._terms.steps & silent & ~_MAY_RAISE else milter.CONTINUE)

    def keep(self, error: Exception) -> None:
        """Our own trouble in a callback: the session answers for it as configured."""
        self._kept.append(error)

    def _keep_macros(self, ctx: Any, kind: type) -> None:
        if kind not in _STAGES:
            return
        letter, stage = _STAGES[kind]
        names = [name.strip("{}") for name in MACROS[stage].split()]
        found = [(name, ctx.getsymval(name if len(name) == 1 else "{" + name + "}")) for name in names]
        self._kept.append(macros(letter, [(name, value) for name, value in found if value]))

    def _ask(self, event: Event) -> Answer:
        """Let the loop hear what was kept and then `event`; wait for the answer."""
        events = (*self._kept, event)
        self._kept.clear()
        future = asyncio.run_coroutine_threadsafe(self._hear_all(events), self._server.loop)
        return future.result()

    async def _hear_all(self, events: tuple[Event | Exception, ...]) -> Answer:
        """The answer to the last event, or the first that ends the message before it."""
        answer: Answer = SILENCE
        for event in events:
            answer = await self._hear_one(event)
            if answer not in (SILENCE, CONTINUE) and event is not events[-1]:
                return answer
        return answer

    async def _hear_one(self, event: Event | Exception) -> Answer:
        try:
            if isinstance(event, Exception):
                raise event
            heard = self._session.hear(event)
            if isinstance(heard, tuple):
                return heard
            return await asyncio.wait_for(heard, self._server.settings.deadline + _GRACE)
        except ProtocolError as error:
            _log.warning("milter connection: %s", error)
        except Exception as error:  # noqa: BLE001  # our own trouble: the configured answer follows
            trace = self._session.trace or "-"
            _log.error("trace=%s: trouble of our own: %s", trace, type(error).__name__, exc_info=error)
        return self._session.trouble()

    def over(self) -> None:
        """The connection is gone."""
        self._server.talks.discard(self)


def _apply(ctx: Any, answer: Answer) -> int:
    """Say an answer by libmilter's calls; what its callback has to return."""
    code = milter.CONTINUE
    for action in answer:
        code = _say(ctx, action)
    return int(code)


def _say(ctx: Any, action: Action) -> int:
    match action:
        case Reply():
            return int(_RETURNS[action])
        case ReplyCode(code, enhanced, text):
            ctx.setreply(str(code), enhanced, text.replace("%", "%%"))
            return int(milter.REJECT if code >= 500 else milter.TEMPFAIL)
        case InsertHeader(index, name, value):
            ctx.addheader(name, value, index)
        case ChangeHeader(occurrence, name, value):
            ctx.chgheader(name, occurrence, value or None)
        case DeleteRecipient(path):
            ctx.delrcpt(path.decode())
        case ReplaceBody(chunk):
            ctx.replacebody(chunk)
        case PutOnHold(why):
            ctx.quarantine(why)
        case Negotiated():
            raise ProtocolError("negotiated twice")
    return int(milter.CONTINUE)


def _connect(name: str | None, family: int, address: Any) -> Connect:
    """The event for libmilter's words; `address` is a tuple, a path or None, by family."""
    host, port = address[:2] if isinstance(address, tuple) else (address or "", 0)
    return Connect(_octets(name), _FAMILIES.get(family, FAMILY_UNKNOWN), port, _octets(host))


def _octets(text: str | None) -> bytes:
    return (text or "").encode("utf-8", "surrogateescape")


def _register(server: LibmilterServer) -> None:
    """Hang our callbacks into libmilter."""

    def negotiate(ctx: Any, offered: list[int]) -> int:
        if server.draining or len(server.talks) >= server.settings.connections:
            return int(milter.REJECT)
        talk = Talk(server)
        ctx.setpriv(talk)
        server.talks.add(talk)
        return talk.negotiate(ctx, offered)

    def hears(build: Callable[..., Event], silent: int, asks: bool = True) -> Callable[..., int]:
        def callback(ctx: Any, *words: Any) -> int:
            talk: Talk = ctx.getpriv()
            try:
                return talk.hear(ctx, build(*words), silent, asks)
            except Exception as error:  # noqa: BLE001  # handed to the session, which answers as configured
                talk.keep(error)
                return talk.hear(ctx, Unknown(b""), 0, asks=True)

        return callback

    def abort(ctx: Any) -> int:
        ctx.getpriv().hear(ctx, Abort(), 0, asks=True)
        return int(milter.CONTINUE)

    def close(ctx: Any) -> int:
        talk: Talk | None = ctx.getpriv()
        if talk is not None:
            talk.hear(ctx, Quit(), 0, asks=True)
            talk.over()
            ctx.setpriv(None)
        return int(milter.CONTINUE)

    milter.set_exception_policy(_POLICIES[server.settings.on_trouble])
    milter.set_connect_callback(hears(_connect, Steps.SILENT_CONNECT))
    milter.set_helo_callback(hears(lambda name: Helo(_octets(name)), Steps.SILENT_HELO))
    milter.set_envfrom_callback(hears(lambda *words: MailFrom(words[0], words[1:]), Steps.SILENT_MAIL))
    milter.set_envrcpt_callback(hears(lambda *words: RcptTo(words[0], words[1:]), Steps.SILENT_RCPT))
    milter.set_header_callback(
        hears(lambda name, value: Header(_octets(name), value), Steps.SILENT_HEADER, asks=False)
    )
    milter.set_eoh_callback(hears(EndOfHeaders, Steps.SILENT_END_OF_HEADERS, asks=False))
    milter.set_body_callback(hears(Body, Steps.SILENT_BODY, asks=False))
    milter.set_eom_callback(hears(EndOfMessage, 0))
    milter.set_abort_callback(abort)
    milter.set_close_callback(close)
    milter.register(
        _NAME,
        data=hears(Data, Steps.SILENT_DATA),
        unknown=hears(lambda said: Unknown(_octets(said)), Steps.SILENT_UNKNOWN, asks=False),
        negotiate=negotiate,
    )
