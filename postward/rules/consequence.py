"""From what was found to what follows: the total, the strongest outcome, the reply.

The decision never depends on which look answered first: outcomes are weighed, and of equal ones
the first rule in order wins.
"""

from typing import NamedTuple

from postward.carried import Carried
from postward.decision import (
    CONTINUE,
    Accept,
    AddHeader,
    ChangeHeader,
    Decision,
    Defer,
    Discard,
    Edit,
    Hold,
    Quarantine,
    Reject,
    Reply,
)
from postward.finding import Hit
from postward.mail import Mail
from postward.printable import printable
from postward.rules.grammar import TAG_FIELD
from postward.rules.judgement import Judged
from postward.rules.outcomes import DEFAULT_REPLIES, Outcome, Weight
from postward.rules.rule import Rule
from postward.rules.text import MAX_TEXT
from postward.rules.thresholds import Thresholds
from postward.state import BY_DEADLINE, Ticket

_UNEXPLAINED = {
    "defer": "Not now, but trying again later helps; your server does so by itself.",
    "hold": "This mail waits until a person has looked at its sender; your server will try again by itself.",
}
"""What a rule without texts says; its name is the admin's, in log and journal."""
_THRESHOLDS = ((Weight.REJECT, "reject"), (Weight.DEFER, "defer"), (Weight.QUARANTINE, "quarantine"))


class Ruling(NamedTuple):
    """One rule that was asked, and what its finding leads to."""

    rule: Rule
    judged: Judged
    outcome: Outcome

    @property
    def accepts(self) -> bool:
        """Whether the mail passes for it."""
        return self.outcome.weight is Weight.ACCEPT


class Tally:
    """What has come together for one mail: the score and the strongest outcome."""

    __slots__ = ("best", "hits", "rulings", "score", "thresholds", "ticket", "weight")

    def __init__(self, score: float, thresholds: Thresholds) -> None:
        self.score = score
        self.thresholds = thresholds
        self.weight = Weight.NOTHING
        self.best: Ruling | str | None = None
        """The ruling that decides, or the name of the threshold that does."""
        self.rulings: list[Ruling] = []
        self.hits: set[str] = set()
        """The rules that have hit and are enforced."""
        self.ticket: Ticket | None = None
        """The ticket of a hold, where one was asked."""

    def add(self, ruling: Ruling) -> None:
        """Count one outcome in."""
        self.rulings.append(ruling)
        judged = ruling.judged
        if judged.enforced and judged.finding.__class__ is Hit:
            self.hits.add(judged.rule)
        self.score += ruling.outcome.score
        weight = ruling.outcome.weight
        if weight > self.weight:
            self.weight, self.best = weight, ruling

    def weigh(self) -> None:
        """See whether the score alone now leads to something stronger."""
        for weight, name in _THRESHOLDS:
            limit = getattr(self.thresholds, name)
            if limit is not None and self.score >= limit and weight > self.weight:
                self.weight, self.best = weight, name

    @property
    def by(self) -> str:
        """The name of the rule or threshold that decides, or empty."""
        if self.best is None:
            return ""
        return f"threshold {self.best}" if isinstance(self.best, str) else self.best.rule.name


def decide(tally: Tally, mail: Mail, trace: str, carried: Carried | None) -> Decision:
    """Spell out what the tally leads to. `carried`: what the other door found."""
    best = tally.best
    if best is None:
        return CONTINUE
    if isinstance(best, str):
        return _by_threshold(best, tally, mail, trace, carried)
    word, name = best.outcome.word, best.rule.name
    match word:
        case "accept":
            return Accept(name)
        case "discard":
            return Discard(f"{name} [{trace}]")
        case "quarantine":
            return Quarantine(f"{name} [{trace}]")
        case "hold":
            return _hold(best, tally.ticket, mail, trace)
        case "defer":
            return Defer(reply(best.outcome, text_of(best, mail), trace))
        case _ if best.rule.then.word == "hold" and isinstance(best.judged.finding, Hit):
            return Reject(reply(best.outcome, _not_let_in(tally.ticket), trace))
        case _:
            return Reject(reply(best.outcome, text_of(best, mail), trace))


def _not_let_in(ticket: Ticket | None) -> str:
    """For who was denied: what the rule says is about waiting, and that is over."""
    if ticket is None:  # by a word about an address, a client or a network
        return "Our postmaster has refused mail of your server or domain. Write from another address."
    looked = ticket.verdict == "denied" and ticket.decided_by != BY_DEADLINE
    why = "we have looked at it" if looked else "nobody vouched for it in time"
    return (
        f"Mail of {printable(ticket.domain)} is not taken here: {why} (ticket {ticket.id})."
        " Our postmaster can change that; name the ticket."
    )


def _hold(best: Ruling, ticket: Ticket | None, mail: Mail, trace: str) -> Hold:
    text = text_of(best, mail)
    if ticket is None:  # what a rule that is not enforced would do: no ticket is opened for it
        return Hold(reply(best.outcome, text, trace), "")
    return Hold(reply(best.outcome, f"{text} (ticket {ticket.id})", trace), ticket.domain)


def _by_threshold(name: str, tally: Tally, mail: Mail, trace: str, carried: Carried | None) -> Decision:
    scored = sorted(
        (each for each in tally.rulings if each.outcome.score > 0 and isinstance(each.judged.finding, Hit)),
        key=lambda ruling: -ruling.outcome.score,
    )
    names = [rule for rule, _ in carried.hits] if carried is not None else []
    reasons = [text_of(ruling, mail) for ruling in scored[:2]] or [
        f"Findings: {', '.join(names[:4])}." if names else "It scored too high."
    ]
    text = f"This mail looks unwanted. {' '.join(reasons)}"
    match name:
        case "reject":
            return Reject(reply(Outcome("reject"), text, trace))
        case "defer":
            return Defer(reply(Outcome("defer"), text, trace))
        case _:
            return Quarantine(f"score {tally.score:.1f} [{trace}]")


def text_of(ruling: Ruling, mail: Mail) -> str:
    """Reason and remedy of a rule for this mail."""
    rule, finding = ruling.rule, ruling.judged.finding
    if not isinstance(finding, Hit):
        if ruling.outcome.word == "reject":
            return f"We could not check this mail ({rule.name}), and take none unchecked."
        return "We cannot tell yet whether to take this mail; try again later."
    texts = [each.render(mail, finding.values) for each in (rule.reason, rule.remedy) if each is not None]
    return " ".join(texts) or _UNEXPLAINED.get(ruling.outcome.word, "This server does not take this mail.")


def reply(outcome: Outcome, text: str, trace: str) -> Reply:
    """An SMTP reply that ends with the trace id."""
    code, enhanced = DEFAULT_REPLIES[outcome.word]
    if len(text) > MAX_TEXT:
        text = text[: MAX_TEXT - 3] + "..."
    return Reply(outcome.code or code, outcome.enhanced or enhanced, f"{text} [{trace}]")


def tags(tally: Tally, mail: Mail) -> tuple[Edit, ...]:
    """The edits of tag outcomes and of the tag threshold, due at end of message."""
    edits: list[Edit] = []
    for ruling in tally.rulings:
        if ruling.outcome.word != "tag":
            continue
        if ruling.outcome.subject:
            edits.extend(_subject(ruling.outcome.subject, mail))
        if ruling.outcome.header or not ruling.outcome.subject:
            edits.append(AddHeader(ruling.outcome.header or TAG_FIELD, ruling.rule.name))
    limit = tally.thresholds.tag
    if limit is not None and tally.score >= limit:
        edits.append(AddHeader(TAG_FIELD, f"score {tally.score:.1f}"))
    return tuple(edits)


def _subject(word: str, mail: Mail) -> list[Edit]:
    """The subject with `word` before it; nothing when it stands there already."""
    for field in mail.headers:
        if field.name.lower() == b"subject":
            unfolded = field.value.replace(b"\r\n", b"").replace(b"\n", b"")  # RFC 5322 2.2.3
            old = unfolded.decode("utf-8", "replace").strip()
            return [] if old.startswith(word) else [ChangeHeader("Subject", f"{word} {old}")]
    return [AddHeader("Subject", word)]
