"""What is learned from each mail that was judged: correspondents, known domains, ratings, automatic lists.

policyd calls `Learner.learn` after every judgement. Whatever is noted is written behind by the store;
nothing here waits, and trouble is logged, never raised. Postfix asks for each recipient and again when
an answer failed: each thing is learned once a message.

Trusted are only those whom somebody vouches for (`postward.derive.identity`): a forged sender makes
no domain known and spoils nobody's rating.
"""

import logging
from typing import Literal, NamedTuple

from postward.checks.dns_list import listings_of
from postward.decision import Accept, Continue, Decision, Defer, Hold, Reject
from postward.derive import correspondent, identity, responsible
from postward.mail import IPAddress, Mail
from postward.network import cidr_of, is_local
from postward.rules.judgement import Judgement
from postward.rules.ruleset import Ruleset
from postward.stage import Stage
from postward.state import Store
from postward.tools import NoDnsLists, Tools

_log = logging.getLogger("postward.learning")
KEEP = 400 * 86_400.0
"""Seconds that correspondents and known domains are remembered after the last mail."""
SHARES = {"network": 0.25, "asn": 0.05}
"""What part of a client's points its /24 or /64, and its autonomous system, get."""
_LEARNED = "learned"  # in the message's memo: what was noted for it
_MAX_LATELY = 100  # sender domains of one client in some seconds
_MAX_LEARNED = 2_000  # notes a message: more than Postfix's smtpd_recipient_limit of recipients

Word = Literal[
    "accepted", "deferred", "rejected", "listed",
    "ham", "spam", "virus", "dmarc_fail", "bounced", "complaint",
]  # fmt: skip


class Points(NamedTuple):
    """What an outcome adds to the ratings of who sent the mail (`ratings:` in postward.yml).

    Of policyd: `accepted`, `deferred`, `rejected` (by anything but a rule about the recipient),
    `listed` (on a DNS block list). Of what looks into the message, or hears of it afterwards:
    `ham`, `spam`, `virus`, `dmarc_fail`, `bounced`, `complaint`.
    """

    accepted: float = 0.2
    deferred: float = 0.0
    rejected: float = -1.0
    listed: float = -0.5
    ham: float = 0.2
    spam: float = -2.0
    virus: float = -6.0
    dmarc_fail: float = -1.0
    bounced: float = -0.2
    complaint: float = -3.0


def about_recipients(rules: Ruleset) -> frozenset[str]:
    """The rules whose check looks at the recipient: what they refuse is not the client's fault."""
    every = (*rules.rules, *(rule for override in rules.overrides for rule in override.rules))
    return frozenset(rule.name for rule in every if "recipient" in rule.check.needs)


class Learner:
    """Learns by `points`. `faultless`: the rules whose refusals say nothing about the client."""

    __slots__ = ("_faultless", "_points")

    def __init__(self, points: Points, faultless: frozenset[str] = frozenset()) -> None:
        self._points = points
        self._faultless = faultless

    def learn(self, mail: Mail, judgement: Judgement, tools: Tools) -> None:
        """Note what this judgement teaches. `tools`: those of the message."""
        try:
            self._learn(mail, judgement, tools)
        except Exception:  # noqa: BLE001  # learning must not stop mail
            _log.exception("nothing learned from a mail (trace %s)", judgement.trace)

    def outcome(self, keys: tuple[str, ...], word: Word, *, store: Store, now: float, reason: str) -> None:
        """Add what the outcome `word` is worth to the ratings of `keys`; `reason` is for people."""
        points: float = getattr(self._points, word)
        if points and keys:
            note(keys, points, store=store, now=now, reason=reason)

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
                self._domain(mail, decision, tools, learned)
                self._lists(judgement, mail, tools, learned)
            if not isinstance(decision, Accept):  # an admin's word, not the client's merit
                self._decided(mail, judgement, tools, learned)
                self._by_rules(judgement, client, mail, tools, learned)

    def _correspondent(self, mail: Mail, tools: Tools, learned: set[str]) -> None:
        """Our user writes to somebody outside."""
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

    def _domain(self, mail: Mail, decision: Decision, tools: Tools, learned: set[str]) -> None:
        """The sender's domain is known from now on, if somebody vouches that the mail was of it."""
        if "domain" in learned or not _goes_on(decision):
            return
        learned.add("domain")
        who = identity.known(mail, tools)
        org = who.domain
        if not org and who.host and mail.sender.is_null and responsible.domain_of(mail) == who.host:
            org = who.host
        if org and _first_lately(f"domain {org}", tools):
            tools.store.seen.note(f"domain {org}", now=tools.clock.wall(), keep=KEEP)

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
            self._outcome("listed", f"listed by {names}", mail, tools)

    def _decided(self, mail: Mail, judgement: Judgement, tools: Tools, learned: set[str]) -> None:
        """What became of the mail, for the ratings."""
        decision, by = judgement.decision, judgement.by
        if isinstance(decision, Reject):
            if by not in self._faultless:
                self._once("rejected", f"refused by {by}", mail, tools, learned)
        elif mail.stage is Stage.RCPT:
            if isinstance(decision, Continue):
                if _first_lately("accepted", tools):
                    self._once("accepted", "", mail, tools, learned)
            elif isinstance(decision, Defer | Hold):
                self._once("deferred", f"deferred by {by}", mail, tools, learned)

    def _once(self, word: Word, reason: str, mail: Mail, tools: Tools, learned: set[str]) -> None:
        if word not in learned:
            learned.add(word)
            self._outcome(word, reason, mail, tools)

    def _outcome(self, word: Word, reason: str, mail: Mail, tools: Tools) -> None:
        if getattr(self._points, word):
            keys = identity.rating_keys(mail, tools)
            self.outcome(keys, word, store=tools.store, now=tools.clock.wall(), reason=reason)

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
            now = tools.clock.wall()
            if each.rate:
                keys = identity.rating_keys(mail, tools)
                note(keys, each.rate, store=tools.store, now=now, reason=f"rule {each.rule}")
            if each.remember is not None and client is not None:
                name, keep = each.remember
                for what in (str(client), cidr_of(client)):
                    tools.store.seen.note(f"listed {name}|{what}", now=now, keep=keep, value=each.rule)


def _first_lately(what: str, tools: Tools) -> bool:
    """Whether `what` is new for the client in these seconds (`Tools.client`).

    Good mail comes in large numbers: a burst of it neither earns a burst of merit nor costs one of time.
    """
    lately: set[str] = tools.client.setdefault(_LEARNED, set())
    if what in lately or len(lately) >= _MAX_LATELY:
        return False
    lately.add(what)
    return True


def note(keys: tuple[str, ...], points: float, *, store: Store, now: float, reason: str) -> None:
    """Add `points` to the ratings of `keys`; a network answers for one of its many clients in part only."""
    alone = tuple(key for key in keys if key.partition(":")[0] not in SHARES)
    store.ratings.note(alone, points, now=now, reason=reason)
    for key in keys:
        share = SHARES.get(key.partition(":")[0])
        if share is not None:
            store.ratings.note((key,), points * share, now=now, reason=reason)


def _goes_on(decision: Decision) -> bool:
    return isinstance(decision, Continue | Accept)


def _is_own(mail: Mail, tools: Tools) -> bool:
    """Whether a local client's mail is our user's: a relay before us hands on everybody's."""
    return not tools.own_domains or correspondent.is_ours(mail.sender, tools.own_domains)
