"""One milter connection: the order of events, what lasts for the connection and what for one message.

No I/O and no transport: `hear` takes an event and gives the answer, or a coroutine where the rules
must be asked. Whoever calls it gives the next event only when that answer is there.

What lasts: the terms and the client for the connection; sender, recipients, header and the case
before the rules for one message. A message begins with the first event that the rules are asked
about, is over with its end, ABORT, a refusal, another HELO or another connect, and leaves nothing.
"""

from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, Final

from milters import answer, intake, negotiate, stamp
from milters.actions import CONTINUE, SILENCE, Answer
from milters.ending import Ending
from milters.events import (
    Abort,
    Body,
    Connect,
    Data,
    EndOfHeaders,
    EndOfMessage,
    Event,
    Header,
    Helo,
    Macros,
    MailFrom,
    Negotiate,
    Quit,
    QuitNewConnection,
    RcptTo,
    Unknown,
)
from milters.message import Message
from milters.negotiate import Terms
from milters.order import ORDER, UNDER_WAY, State
from milters.settings import MilterSettings
from milters.wire import ProtocolError
from postward.decision import Discard, Quarantine, Reject
from postward.house import House
from postward.mail import Mail
from postward.rules.judgement import Judgement
from postward.stage import Door, Stage

DOOR: Final = Door.MILTER.value


_ANYWHERE: Final = frozenset({Macros, Unknown})
_NEVER_ANSWERED: Final = frozenset({Macros, Abort, Quit, QuitNewConnection})
_UNFAILING: Final = frozenset({Abort, Quit, QuitNewConnection, Connect, Macros})
"""Events that are heard although this message has failed: most end it."""
_WANTED_MACROS: Final = frozenset(
    {"_", "i", "auth_authen", "auth_type", "cert_subject", "cipher"}
    | {"client_name", "client_ptr", "daemon_name", "tls_version"}
)


class Session:
    """A milter connection from its negotiation to its end. Keeps the rules that it began with."""

    def __init__(self, settings: MilterSettings, house: House) -> None:
        self.state = State.NEW
        self._settings = settings
        self._rules = house.rules
        self._tools = house.tools
        self._record = house.record
        self._learn = house.learn
        self._key = house.findings_key
        self._plan = negotiate.plan(settings, house.rules)
        self._terms: Terms | None = None
        self._client_macros: dict[str, str] = {}
        self._message_macros: dict[str, str] = {}
        self._client = Mail()
        self._local = False
        self._message: Message | None = None
        self._failed = False
        self._heard: type = Negotiate

    @property
    def in_message(self) -> bool:
        """Whether a message has begun and has not ended."""
        return self.state in UNDER_WAY

    @property
    def in_content(self) -> bool:
        """Whether header or body are coming, which the MTA has at hand already."""
        return self.state is State.HEADER or self.state is State.BODY

    @property
    def fresh(self) -> bool:
        """Whether the MTA has not even negotiated."""
        return self.state is State.NEW

    @property
    def closed(self) -> bool:
        """Whether the MTA has said that it will close, or there is nothing left to say to it."""
        return self.state is State.CLOSED

    @property
    def trace(self) -> str:
        """The trace id of the message under way, or empty: for the log."""
        return self._message.case.trace if self._message is not None else ""

    def hear(self, event: Event) -> Answer | Coroutine[Any, Any, Answer]:
        """Take one event. Raises ProtocolError when it must not come now."""
        kind = self._heard = type(event)
        follows = ORDER[self.state].get(kind)
        if follows is None:
            if kind not in _ANYWHERE or self._terms is None or self.state is State.CLOSED:
                raise ProtocolError(f"{kind.__name__} in state {self.state.name}")
        else:
            self.state = follows
        if self._failed and kind not in _UNFAILING:
            return self._fail()
        if self.state is State.UNWATCHED:
            return CONTINUE if kind is EndOfMessage else self._quiet(kind)
        return self._HANDLERS[kind](self, event)

    def trouble(self) -> Answer:
        """The answer when `hear`, or what it gave, failed: our own trouble, never the mail's.

        Where the MTA waits for no answer it is given to the next event that has one.
        """
        if self._terms is None:
            self.state = State.CLOSED
            return SILENCE
        self._failed = True
        return self._fail()

    def _fail(self) -> Answer:
        kind = self._heard
        if kind in _NEVER_ANSWERED or kind in self._silent:
            return SILENCE
        if self._local and kind is not EndOfMessage:
            return CONTINUE  # a recipient of sendmail(1) that is refused would stick in the queue
        self._failed = False
        if kind is not RcptTo:
            self._over()
        return answer.trouble(self._settings.on_trouble)

    @property
    def _silent(self) -> frozenset[type]:
        return self._terms.silent if self._terms is not None else frozenset()

    def _quiet(self, kind: type) -> Answer:
        """Nothing to say: CONTINUE, where the MTA waits for it."""
        return SILENCE if kind in _NEVER_ANSWERED or kind in self._silent else CONTINUE

    def _over(self) -> None:
        """The message is over; nothing of it stays, its queue id and login neither."""
        self._message = None
        self._message_macros = {}
        self._failed = False
        if self.in_message:
            self.state = State.READY

    def _now(self) -> Message:
        """The message before the rules, begun if there is none yet."""
        if self._message is None:
            self._message = Message(self._rules.open(Door.MILTER, self._tools))
        return self._message

    # --- Events, in the order in which they come ---------------------------------------------------

    def _on_negotiate(self, event: Negotiate) -> Answer:
        self._terms = negotiate.agree(event, self._plan)
        if not self._plan.watch:
            self.state = State.UNWATCHED
        return (self._terms.answer,)

    def _on_macros(self, event: Macros) -> Answer:
        stage = event.stage
        if stage in "LNB" and "i" in self._message_macros:
            return SILENCE  # the queue id again, with each field and chunk
        wanted = {name: value for name, value in event.pairs().items() if name in _WANTED_MACROS}
        match stage:
            case "C":
                self._client_macros = wanted
            case "H":
                self._client_macros.update(wanted)
            case "M":
                self._message_macros = wanted
            case _:
                self._message_macros.update(wanted)
        return SILENCE

    def _on_connect(self, event: Connect) -> Answer | Coroutine[Any, Any, Answer]:
        self._message, self._message_macros = None, {}
        self._local = intake.is_local(event, self._client_macros)
        self._client = Mail(Stage.CONNECT, intake.connect_facts(event, self._client_macros))
        return self._ask(self._client, Connect)

    def _on_helo(self, event: Helo) -> Answer | Coroutine[Any, Any, Answer]:
        begun = self._message is not None and self._message.begun
        if begun or self._client.stage is Stage.HELO:  # again, as after STARTTLS: another client to the rules
            self._message = None
        self._client = self._client.learn(Stage.HELO, **intake.helo_facts(event, self._client_macros))
        return self._ask(self._client, Helo)

    def _on_mail(self, event: MailFrom) -> Answer | Coroutine[Any, Any, Answer]:
        client = self._client
        facts = intake.mail_facts(event, self._message_macros)
        if not client.knows("helo_name"):
            facts |= intake.helo_facts(None, self._client_macros)
        message = self._now()
        message.mail = client.learn(Stage.MAIL, **facts)
        return self._ask(message.mail, MailFrom)

    def _on_rcpt(self, event: RcptTo) -> Answer | Coroutine[Any, Any, Answer]:
        message = self._now()
        recipient = intake.recipient(event)
        if Stage.RCPT in self._plan.stages:
            return self._recipient(message.mail.learn(Stage.RCPT, recipient=recipient), event)
        message.add_recipient(recipient, event.path)
        return self._quiet(RcptTo)

    def _on_data(self, event: Data) -> Answer | Coroutine[Any, Any, Answer]:
        message = self._now()
        message.mail = message.mail.learn(Stage.DATA, **self._data_facts(message))
        return self._ask(message.mail, Data)

    def _on_header(self, event: Header) -> Answer:
        if self._plan.headers and self._terms is not None:
            self._now().add_header(intake.header_field(event, self._terms.leading_space))
        return self._quiet(Header)

    def _on_nothing(self, event: Event) -> Answer:
        return self._quiet(type(event))

    def _on_end(self, event: EndOfMessage) -> Answer | Coroutine[Any, Any, Answer]:
        message = self._now()
        facts = self._data_facts(message)
        if message.too_much:
            return self._refuse_header(message, facts)
        headers = tuple(field for field in message.headers if not stamp.is_findings(field))
        message.mail = message.mail.learn(Stage.EOM, headers=headers, **facts)
        return self._finish(message)

    def _on_end_of_session(self, event: Event) -> Answer:
        self._over()
        self._client, self._client_macros, self._message_macros = Mail(), {}, {}
        return SILENCE

    def _on_abort(self, event: Abort) -> Answer:
        self._over()
        return SILENCE

    def _data_facts(self, message: Message) -> intake.Facts:
        return intake.data_facts(tuple(message.recipients), self._message_macros.get("i", ""))

    # --- Asking the rules --------------------------------------------------------------------------

    def _ask(self, mail: Mail, kind: type) -> Answer | Coroutine[Any, Any, Answer]:
        """Judge the mail if anything may be decided at this stage."""
        return self._judge(mail) if mail.stage in self._plan.stages else self._quiet(kind)

    async def _judge(self, mail: Mail) -> Answer:
        message = self._now()
        judgement = await message.judge(mail, self._settings.deadline)
        decision = judgement.decision
        early = mail.stage <= Stage.HELO
        if self._local or (early and isinstance(decision, Discard)):
            return CONTINUE  # said at the end: Postfix knows no discard yet, sendmail(1) no refusal
        if answer.refuses(decision) or isinstance(decision, Discard):
            self._record(DOOR, mail, judgement)
            self._over()
        elif isinstance(decision, Quarantine):
            message.quarantined_by = judgement.by
        return answer.before_end(decision)

    async def _recipient(self, mail: Mail, event: RcptTo) -> Answer:
        """Judge one recipient. A discard is for this one only, so it is done at the end."""
        message = self._now()
        judgement = await message.judge(mail, self._settings.deadline)
        decision = judgement.decision
        self._learn(mail, judgement, message.case.tools)
        if answer.refuses(decision) and not self._local:
            self._record(DOOR, mail, judgement)
            return answer.before_end(decision)
        message.add_recipient(mail.recipient, event.path)
        if isinstance(decision, Discard):
            self._record(DOOR, mail, judgement)
            message.discarded.append(event.path)
        elif isinstance(decision, Quarantine):
            message.quarantined_by = judgement.by
        return CONTINUE

    def _refuse_header(self, message: Message, facts: intake.Facts) -> Answer:
        """THREATS B4: a header beyond all bounds is refused for good."""
        mail = message.mail.learn(Stage.EOM, headers=(), **facts)
        decision = Reject(answer.TOO_MUCH_HEADER)
        judgement = Judgement(message.case.trace, Stage.EOM, decision, "header too large", 0.0, ())
        self._record(DOOR, mail, judgement)
        self._over()
        return (answer.reply(decision),)

    async def _finish(self, message: Message) -> Answer:
        """The end of the message: the rules' last word, our own fields, the changes."""
        assert self._terms is not None
        ending = Ending(self._settings, self._key, self._terms, message)
        judgement = await ending.judge()
        self._record(DOOR, message.mail, judgement)
        self._learn(message.mail, judgement, message.case.tools)
        self._over()
        return ending.say(judgement)

    _HANDLERS: ClassVar[dict[type, Callable[[Any, Any], Answer | Coroutine[Any, Any, Answer]]]] = {
        Negotiate: _on_negotiate,
        Macros: _on_macros,
        Connect: _on_connect,
        Helo: _on_helo,
        MailFrom: _on_mail,
        RcptTo: _on_rcpt,
        Data: _on_data,
        Header: _on_header,
        EndOfHeaders: _on_nothing,
        Body: _on_nothing,
        Unknown: _on_nothing,
        EndOfMessage: _on_end,
        Abort: _on_abort,
        Quit: _on_end_of_session,
        QuitNewConnection: _on_end_of_session,
    }
