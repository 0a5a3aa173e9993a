"""What is learned from each mail that was judged: correspondents, known domains, ratings, automatic lists.

policyd calls `Learner.learn` after every judgement. Whatever is noted is written behind by the store;
nothing here waits, and trouble is logged, never raised. Postfix asks for each recipient and again when
an answer failed: each thing is learned once a message.

Trusted are only those whom somebody vouches for (`postward.derive.identity`): a forged sender makes
no domain known and spoils nobody's rating. How much it counts: `postward.outcomes`.
"""

import logging
from math import inf

from postward.decision import Accept, Continue, Decision, Defer, Discard, Hold, Quarantine, Reject
from postward.derive import correspondent, identity, responsible
from postward.derive.dns_listings import listings_of
from postward.derive.orgdomain import org_domain
from postward.derive.seen_key import KEEP, key_of_domain, key_of_listed
from postward.mail import IPAddress, Mail
from postward.network import cidr_of, holder_of, is_local
from postward.outcomes import Points, Word, merit, note, rated
from postward.rules.judgement import Judgement
from postward.rules.ruleset import Ruleset
from postward.stage import Stage
from postward.tools import NoDnsLists, Tools

_log = logging.getLogger("postward.learning")
_LEARNED = "learned"  # in the message's memo: what was noted for it
_ALLOWED, _CAUGHT, _CAME_IN = "allowed", "caught", "came in"  # marks in there
_MINUTE = 60.0
_MAX_LEARNED = 2_000  # notes a message: more than Postfix's smtpd_recipient_limit of recipients


def about_recipients(rules: Ruleset) -> frozenset[str]:
    """The rules whose check looks at the recipient: what they refuse is not the client's fault."""
    every = (*rules.rules, *(rule for override in rules.overrides for rule in override.rules))
    return frozenset(rule.name for rule in every if "recipient" in rule.check.needs)


class Learner:
    """Learns by `points`. `faultless`: the rules whose refusals say nothing about the client.

    Mail of `suspicious` points or more makes no domain known. A mail counts as one that came in at
    `counts_at`: DATA where this door is asked at DATA or later, because RCPT costs a client nothing.
    """

    __slots__ = ("_faultless", "_points", "counts_at", "suspicious")

    def __init__(
        self,
        points: Points,
        faultless: frozenset[str] = frozenset(),
        *,
        suspicious: float | None = None,
        counts_at: Stage = Stage.RCPT,
    ) -> None:
        self._points = points
        self._faultless = faultless
        self.suspicious = inf if suspicious is None else suspicious
        self.counts_at = counts_at

    def learn(self, mail: Mail, judgement: Judgement, tools: Tools) -> None:
        """Note what this judgement teaches. `tools`: those of the message."""
        try:
            self._learn(mail, judgement, tools)
        except Exception:  # noqa: BLE001  # learning must not stop mail
            _log.exception("nothing learned from a mail (trace %s)", judgement.trace)

    def outcome(self, keys: tuple[str, ...], word: Word, *, tools: Tools, reason: str) -> None:
        """Add what the outcome `word` is worth to the ratings of `keys`; `reason` is for people."""
        points: float = getattr(self._points, word)
        if points and keys:
            note(keys, points, tools=tools, reason=reason)

    def _learn(self, mail: Mail, judgement: Judgement, tools: Tools) -> None:
        learned: set[str] = tools.memo.setdefault(_LEARNED, set())
        if len(learned) >= _MAX_LEARNED:
            return
        known, decision = mail.known, judgement.decision
        client: IPAddress | None = known.get("client_address")
        at_recipient = mail.stage is Stage.RCPT
        if known.get("sasl_username"):
            if at_recipient and _goes_on(decision):
                self._correspondent(mail, tools, learned)
            self._by_rules(judgement, None, mail, tools, learned)
        elif client is None or is_local(client):
            if at_recipient and _goes_on(decision) and _is_own(mail, tools):
                self._correspondent(mail, tools, learned)
        else:
            if at_recipient:
                self._lists(judgement, mail, tools, learned)
            self._came_in(mail, judgement, client, tools, learned)
            if not isinstance(decision, Accept):  # an admin's word, not the client's merit
                self._refused(mail, judgement, tools, learned)
                self._by_rules(judgement, client, mail, tools, learned)

    # --- Our users ---------------------------------------------------------------------------------
    def _correspondent(self, mail: Mail, tools: Tools, learned: set[str]) -> None:
        """Our user writes to somebody outside. Where it is sure who wrote, the domain is no new one either.

        Freemail included: `domain` says only that it is not new, and vouches for none of its users.
        """
        sender, recipient = mail.sender, mail.recipient
        mark = f"to {recipient.text}"
        if recipient.domain is None or sender.domain is None or mark in learned:
            return
        learned.add(mark)
        if recipient.domain == sender.domain or correspondent.is_ours(recipient, tools.own_domains):
            return
        now = tools.clock.wall()
        for key in (correspondent.pair_key(recipient, sender), correspondent.any_key(recipient)):
            if key:
                tools.store.seen.note(key, now=now, keep=KEEP)
        if mail.known.get("sasl_username") and not recipient.has_literal:
            _know(org_domain(recipient.domain), tools)

    # --- Strangers ---------------------------------------------------------------------------------
    def _came_in(
        self, mail: Mail, judgement: Judgement, client: IPAddress, tools: Tools, learned: set[str]
    ) -> None:
        """The mail goes on: a merit of the client's, and its domain is known from now on."""
        decision = judgement.decision
        if isinstance(decision, Accept):
            learned.add(_ALLOWED)
        elif isinstance(decision, Quarantine | Discard):
            learned.add(_CAUGHT)
        if mail.stage < self.counts_at or _CAME_IN in learned or _CAUGHT in learned:
            return
        if not _goes_on(decision):
            return
        if mail.stage > Stage.RCPT or judgement.score < self.suspicious:
            learned.add(_CAME_IN)  # else another recipient of the message may be asked about
        if judgement.score < self.suspicious:
            self._domain(mail, tools)
        if _ALLOWED not in learned and "accepted" not in learned:
            learned.add("accepted")
            merit(self._points.accepted, mail, client, tools)

    def _domain(self, mail: Mail, tools: Tools) -> None:
        """The sender's domain is known, if somebody vouches that the mail was of it."""
        who = identity.known(mail, tools)
        org = who.domain
        if not org and who.host and mail.sender.is_null and responsible.domain_of(mail) == who.host:
            org = who.host
        if org:
            _know(org, tools)

    def _lists(self, judgement: Judgement, mail: Mail, tools: Tools, learned: set[str]) -> None:
        """Tell the DNS lists what became of a mail that they were asked about."""
        if isinstance(tools.dns_lists, NoDnsLists) or "lists" in learned:
            return
        listed = listings_of(tools)
        if not listed.found and not listed.unsure:
            return
        learned.add("lists")
        tools.dns_lists.verdict(listed, isinstance(judgement.decision, Reject))
        names = ", ".join(sorted({each.list for each in listed.found if each.score > 0}))
        if names and not isinstance(judgement.decision, Accept):
            self._outcome("listed", f"listed by {names}", mail, judgement, tools)

    def _refused(self, mail: Mail, judgement: Judgement, tools: Tools, learned: set[str]) -> None:
        """What became of a mail that does not go on, for the ratings."""
        decision, by = judgement.decision, judgement.by
        word: Word | None = None
        if isinstance(decision, Reject):
            word = "rejected" if by not in self._faultless else None
        elif isinstance(decision, Defer | Hold) and mail.stage is Stage.RCPT:
            word = "deferred"
        if word is not None and word not in learned:
            learned.add(word)
            self._outcome(
                word, f"{'refused' if word == 'rejected' else word} by {by}", mail, judgement, tools
            )

    def _outcome(self, word: Word, reason: str, mail: Mail, judgement: Judgement, tools: Tools) -> None:
        if getattr(self._points, word):
            self.outcome(rated(mail, tools, judgement), word, tools=tools, reason=reason)

    def _by_rules(
        self, judgement: Judgement, client: IPAddress | None, mail: Mail, tools: Tools, learned: set[str]
    ) -> None:
        """What rules with `rate:` and `remember:` ask for; without a client only for ratings."""
        for each in [each for each in judgement.judged if each.outcome]:
            if not each.rate and each.remember is None:
                continue
            mark = f"rule {each.rule}"
            if mark in learned:
                continue
            learned.add(mark)
            if each.rate:
                note(rated(mail, tools, judgement), each.rate, tools=tools, reason=mark)
            if each.remember is not None and client is not None:
                name, keep = each.remember
                for what in {holder_of(client), cidr_of(client)}:
                    key, now = key_of_listed(name, what), tools.clock.wall()
                    tools.store.seen.note(key, now=now, keep=keep, value=each.rule)


def _know(org: str, tools: Tools) -> None:
    """Mail of this organizational domain is expected from now on."""
    key = key_of_domain(org)
    if _first("domain", key, tools):
        tools.store.seen.note(key, now=tools.clock.wall(), keep=KEEP)


def _first(kind: str, what: str, tools: Tools) -> bool:
    """Whether it is the first time within a minute."""
    return tools.lately.first(kind, what, now=tools.clock.monotonic(), within=_MINUTE)


def _goes_on(decision: Decision) -> bool:
    return isinstance(decision, Continue | Accept)


def _is_own(mail: Mail, tools: Tools) -> bool:
    """Whether a local client's mail is our user's: a relay before us hands on everybody's."""
    return not tools.own_domains or correspondent.is_ours(mail.sender, tools.own_domains)
