"""The end of one message: policyd's findings, the rules' last word, our own fields."""

import asyncio

from milters import answer, stamp
from milters.actions import Action, Answer
from milters.actions import Reply as Plain
from milters.message import Message
from milters.negotiate import Terms
from milters.settings import MilterSettings
from milters.wire import Offer
from postward import eager
from postward.carried import CarriedSpf
from postward.decision import Accept, Decision, Discard, Edit, Quarantine
from postward.derive.spf import SpfResult, spf
from postward.rules.judgement import Judgement


class Ending:
    """What is known at the end of one message, and what is said then."""

    __slots__ = ("_message", "_settings", "_spf", "_terms", "_told")

    def __init__(self, settings: MilterSettings, key: bytes, terms: Terms, message: Message) -> None:
        self._settings = settings
        self._terms = terms
        self._message = message
        self._told = stamp.unseal(message.headers, key, message.mail.queue_id) if settings.findings else None
        self._spf: CarriedSpf | None = self._told.spf if self._told is not None else None

    async def judge(self) -> Judgement:
        """Ask the rules, and work out what our own fields need at the same time."""
        message = self._message
        if self._told is not None:
            message.case.hear(self._told)
        looking = self._look_spf()
        try:
            judgement = await message.judge(message.mail, self._settings.deadline)
            if looking is not None and not answer.refuses(judgement.decision):
                self._spf = await message.spf(looking, self._settings.deadline)
        finally:
            if isinstance(looking, asyncio.Task):
                looking.cancel()
        return self._with_quarantine(judgement)

    def _with_quarantine(self, judgement: Judgement) -> Judgement:
        """The judgement, with a quarantine that was decided before: it stands unless nobody gets the mail.

        What policyd decided stands even if a rule accepts the mail here: Postfix may have been told.
        """
        message, decision = self._message, judgement.decision
        if answer.refuses(decision) or isinstance(decision, Discard):
            return judgement
        by = self._told.quarantined_by if self._told is not None else ""
        if not by and not isinstance(decision, Accept | Quarantine):
            by = message.quarantined_by
        if not by:
            return judgement
        return judgement._replace(decision=Quarantine(f"{by} [{judgement.trace}]"), by=by)

    def say(self, judgement: Judgement) -> Answer:
        """The changes and the last reply."""
        message, decision = self._message, judgement.decision
        if message.all_discarded and not answer.refuses(decision):
            return (Plain.DISCARD,)
        if answer.refuses(decision) or isinstance(decision, Discard):
            return (answer.reply(decision),)
        changes: list[Action] = list(answer.delete_recipients(message.discarded))
        if isinstance(decision, Quarantine):
            if not self._terms.grants(Offer.QUARANTINE):
                return answer.trouble("tempfail")
            changes.append(answer.put_on_hold(decision.why))
        drops = stamp.forged(message.headers, self._settings, message.case.tag_fields)
        edits = self._edits(judgement, decision)
        return (*changes, *answer.spell(drops, edits, self._terms.leading_space), answer.reply(decision))

    def _edits(self, judgement: Judgement, decision: Decision) -> list[Edit]:
        """The rules' changes, then our fields: the last one inserted stands on top."""
        settings = self._settings
        edits = list(judgement.edits)
        if settings.verdict_header:
            edits.append(stamp.verdict(judgement, decision, self._told))
        if settings.authentication_results:
            edits.append(stamp.results(settings.authserv_id, self._message.mail, self._spf))
        return edits

    def _look_spf(self) -> eager.Ready[SpfResult] | asyncio.Task[SpfResult] | None:
        """Begin to work SPF out if our Authentication-Results needs it and policyd did not tell."""
        mail = self._message.mail
        if not self._settings.authentication_results or self._spf is not None:
            return None
        if mail.sasl_username or mail.client_address is None:
            return None
        return eager.start(spf(mail, self._message.case.tools))
