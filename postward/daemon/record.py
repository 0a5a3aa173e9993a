"""Each decision once into the log and once into the journal: what a door's `record` does.

It runs on the event loop for every request, so it spells one log line and hands the rest over to
the journal's writer thread. It never raises and never waits.
"""

import logging
from collections.abc import Callable
from typing import Any

from postward import journal
from postward.daemon.log import Log
from postward.decision import Accept, Continue, Quarantine
from postward.finding import Hit
from postward.journal import Pseudonyms, Record
from postward.mail import Mail
from postward.rules.judgement import Judgement
from postward.tools import Clock

_log = logging.getLogger("postward.record")


class Recorder:
    """`write` puts a record into the journal; None where the site keeps none."""

    def __init__(
        self, log: Log, clock: Clock, pseudonyms: Pseudonyms, write: Callable[[Record], None] | None
    ) -> None:
        self._log = log
        self._heard = log.level <= logging.INFO
        self._clock = clock
        self._pseudonyms = pseudonyms
        self._write = write

    def __call__(self, door: str, mail: Mail, judgement: Judgement) -> None:
        """Record one decision. One that nothing led to is no log line, but the journal knows the way."""
        again = bool(judgement.told)
        judgement = judgement.news()
        kind = judgement.decision.__class__
        silent = not judgement.judged and (kind is Continue or (again and kind in (Accept, Quarantine)))
        try:
            if self._write is not None:
                self._write(journal.record(self._clock.wall(), door, mail, judgement))
            if self._heard and not silent:
                self._log.event("info", "decision", self._fields(door, mail, judgement))
        except Exception:  # noqa: BLE001  # recording must not stop mail
            _log.exception("a decision that cannot be recorded (trace %s)", judgement.trace)

    def _fields(self, door: str, mail: Mail, judgement: Judgement) -> list[tuple[str, Any]]:
        """What the log tells: who asked, what was answered, and the rules that hit."""
        known, decision, spell = mail.known, judgement.decision, self._pseudonyms.of
        fields: list[tuple[str, Any]] = [
            ("trace", judgement.trace),
            ("door", door),
            ("stage", mail.stage.word),
            ("decision", journal.word(decision)),
        ]
        if judgement.by:
            fields.append(("by", judgement.by))
        if judgement.score:
            fields.append(("score", round(judgement.score, 3)))
        hits = [each for each in judgement.judged if each.finding.__class__ is Hit]
        if hits:
            fields.append(("rules", ",".join([each.rule for each in hits])))
        if judgement.would is not None:
            fields.append(("would", journal.word(judgement.would)))
        fields.append(("client", known.get("client_address") or "local"))
        for key, name in (("helo", "helo_name"), ("queue_id", "queue_id")):
            if known.get(name):
                fields.append((key, known[name]))
        if known.get("sasl_username"):
            fields.append(("login", self._pseudonyms.of_login(known["sasl_username"])))
        if "sender" in known:
            fields.append(("from", f"<{spell(known['sender'])}>"))
        if "recipient" in known:
            fields.append(("to", f"<{spell(known['recipient'])}>"))
        reply = getattr(decision, "reply", None)
        if reply is not None:
            fields.append(("reply", journal.without(self._pseudonyms.names(mail), str(reply))))
        fields.append(("ms", round(judgement.took * 1000, 2)))
        return fields
