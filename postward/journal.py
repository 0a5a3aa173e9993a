"""The journal: what is kept of each decision, so that `postward why` can explain it later.

An entry holds the envelope, what each rule found, and what was answered; never a subject, a header
or a body. Every text is escaped and bounded. Where the site wants it, local parts are replaced by
a keyed hash: the same address always gives the same one, so that it can still be searched for.

The event loop only hands over a `Record`; entries are made by the journal's writer thread.
"""

import hashlib
import json
from functools import lru_cache
from typing import Any, NamedTuple

from postward.address import Address, parse
from postward.decision import Decision
from postward.finding import Clear, Hit, Unsure
from postward.mail import Mail
from postward.printable import printable
from postward.rules.judgement import AT_ONCE, Judged, Judgement
from postward.store.journal import JournalRow

MAX_RECIPIENTS = 100
MAX_RULES = 500
_quote = json.encoder.encode_basestring_ascii
_encode = json.JSONEncoder(separators=(",", ":")).encode


class Record(NamedTuple):
    """A decision as the door reports it, at wall clock `time` (seconds)."""

    time: float
    door: str
    mail: Mail
    judgement: Judgement


def record(time: float, door: str, mail: Mail, judgement: Judgement) -> Record:
    """What waits for the writer: without the message header, which may be large and is never kept."""
    if "headers" in mail.known:
        mail = Mail(mail.stage, {name: fact for name, fact in mail.known.items() if name != "headers"})
    return Record(time, door, mail, judgement)


class RuleEntry(NamedTuple):
    """One rule. `finding`: `hit`, `clear`, `unsure` or `skipped`; `reason` of a hit; `ms` it took.

    `detail` is what the check said, or why the rule was skipped. `check` and `ms` are kept only where
    something was found or took long.
    """

    rule: str
    check: str
    finding: str
    detail: str = ""
    mode: str = "enforce"
    ms: float = 0.0
    reason: str = ""
    outcome: str = ""
    score: float = 0.0

    @property
    def enforced(self) -> bool:
        """Whether what follows from it was done, not only noted."""
        return self.mode in ("enforce", "canary")


class Entry(NamedTuple):
    """One decision. `would`: what would have been decided with shadow rules enforced, or empty."""

    time: float
    trace: str
    door: str
    stage: str
    queue_id: str
    client: str
    client_name: str
    helo: str
    listener: str
    login: str
    sender: str
    recipients: tuple[str, ...]
    decision: str
    reply: str
    by: str
    score: float
    would: str
    ms: float
    rules: tuple[RuleEntry, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, rules with their field names."""
        return self._asdict() | {"rules": [each._asdict() for each in self.rules]}

    @classmethod
    def load(cls, text: str) -> "Entry":
        """The entry in a row's `body_json`."""
        values = json.loads(text)
        values["recipients"] = tuple(values["recipients"])
        rules = [RuleEntry(*each) for each in values["rules"]]
        for finding, detail, mode, names in values.pop("quiet"):
            rules += [RuleEntry(name, "", finding, detail, mode) for name in names.split()]
        values["rules"] = tuple(rules)
        return cls(**values)


class Pseudonyms:
    """Spells addresses for journal and log: as they are, or with a keyed hash for the local part."""

    def __init__(self, key: bytes | None) -> None:
        self._key = key[:64] if key else None
        self.of = lru_cache(maxsize=10_000)(self._of) if key else self._plain

    def of_login(self, login: str) -> str:
        """A SASL login, which may look like an address or be a bare name."""
        return self.of(parse(login)) if login else ""

    def names(self, mail: Mail) -> dict[str, str]:
        """The addresses and the login of `mail` with what may be shown instead; empty: all may be shown."""
        if self._key is None:
            return {}
        sender, login = mail.known.get("sender"), mail.known.get("sasl_username", "")
        people = _recipients(mail) if sender is None else (sender, *_recipients(mail))
        names = {each.text: self.of(each) for each in people if not each.is_null}
        return names | {login: self.of_login(login)} if login else names

    def _plain(self, address: Address) -> str:
        return printable(address.text)

    def _of(self, address: Address) -> str:
        if address.is_null:
            return ""
        name = address.text.lower() if address.domain is None else f"{address.local.lower()}@{address.domain}"
        octets = name.encode("utf-8", "surrogateescape")
        digest = hashlib.blake2b(octets, key=self._key or b"", digest_size=6, person=b"postward-journal")
        return f"~{digest.hexdigest()}" + (f"@{address.domain}" if address.domain else "")


def word(decision: Decision | None) -> str:
    """`continue`, `reject`, `hold` ...; empty for None."""
    return "" if decision is None else type(decision).__name__.lower()


def entry(kept: Record, pseudonyms: Pseudonyms) -> Entry:
    """The journal's entry for one decision."""
    return Entry.load(row(kept, pseudonyms).body_json)


def row(kept: Record, pseudonyms: Pseudonyms) -> JournalRow:
    """The row that the journal's writer stores: columns to search by, and the entry as JSON.

    Thousands of these are made in a second, so the JSON is put together here: most rules found
    nothing, and look the same each time.
    """
    known, judgement = kept.mail.known, kept.judgement
    sender, names = known.get("sender"), pseudonyms.names(kept.mail)
    client, login = (
        str(known.get("client_address") or ""),
        pseudonyms.of_login(known.get("sasl_username", "")),
    )
    origin = pseudonyms.of(sender) if sender is not None else ""
    recipients = [pseudonyms.of(each) for each in _recipients(kept.mail)]
    queue_id, stage = printable(known.get("queue_id", ""), 64), kept.mail.stage.word
    decision = word(judgement.decision)
    reply = getattr(judgement.decision, "reply", None) or getattr(judgement.decision, "why", "")
    body = (
        f'{{"time":{kept.time:.3f},"trace":{_quote(judgement.trace)},"door":{_quote(kept.door)},"stage":"{stage}",'
        f'"queue_id":{_quote(queue_id)},"client":"{client}",'
        f'"client_name":{_quote(printable(known.get("client_name", ""), 255))},'
        f'"helo":{_quote(printable(known.get("helo_name", ""), 255))},'
        f'"listener":{_quote(printable(known.get("listener", ""), 100))},'
        f'"login":{_quote(login)},"sender":{_quote(origin)},'
        f'"recipients":[{",".join([_quote(each) for each in recipients])}],'
        f'"decision":"{decision}","reply":{_quote(without(names, str(reply)) if reply else "")},'
        f'"by":{_quote(judgement.by)},"score":{judgement.score:.3f},"would":"{word(judgement.would)}",'
        f'"ms":{judgement.took * 1000:.3f},{_rules(judgement.judged, names)}}}'
    )
    people = tuple(each.lower() for each in (origin, login, *recipients) if each)
    return JournalRow(kept.time, judgement.trace, queue_id, client, people, body)


def _rules(judged: tuple[Judged, ...], names: dict[str, str]) -> str:
    """Two JSON members: `rules` from which something may follow, each as a `RuleEntry`, and `quiet`.

    The quiet ones, asked in vain or not at all, are most of them: they are told by name, those with
    the same finding, detail and mode together.
    """
    loud: list[str] = []
    quiet: list[Judged] = []
    for each in judged[:MAX_RULES]:
        finding = each.finding
        if finding is None or (finding.__class__ is Clear and each.took < AT_ONCE):
            quiet.append(each)
        else:
            loud.append(_loud(each, names))
    told = _quiet(quiet, names) if names else _quiet_again(quiet)
    return f'"rules":[{",".join(loud)}],"quiet":[{told}]'


def _quiet(judged: list[Judged], names: dict[str, str]) -> str:
    """Rules with the same finding, detail and mode together."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for each in judged:
        if each.finding is None:
            key = ("skipped", each.skipped, each.mode)
        else:
            key = ("clear", getattr(each.finding, "detail", ""), each.mode)
        groups.setdefault(key, []).append(each.rule)
    return ",".join(
        [
            f'["{kind}",{_quote(without(names, detail))},"{mode}","{" ".join(rules)}"]'
            for (kind, detail, mode), rules in groups.items()
        ]
    )


_again: dict[tuple[int, ...], tuple[list[Judged], str]] = {}
_MAX_AGAIN = 4_096


def _quiet_again(judged: list[Judged]) -> str:
    """The same, where no name has to be replaced. Most messages of a client come to the same, and the
    records of rules that found nothing are made once (`Rule`), so that these very objects come again.
    What is kept holds them, so that no other object can have their ids.
    """
    key = tuple(map(id, judged))
    held = _again.get(key)
    if held is None:
        if len(_again) >= _MAX_AGAIN:
            _again.clear()
        held = _again[key] = judged, _quiet(judged, {})
    return held[1]


def _loud(judged: Judged, names: dict[str, str]) -> str:
    """One rule as JSON: the fields of `RuleEntry`."""
    reason = ""
    match judged.finding:
        case Clear(said):
            kind = "clear"
        case Hit(reason, said):
            kind = "hit"
        case Unsure(said):
            kind = "unsure"
        case None:
            kind, said = "skipped", ""
    detail = without(
        names, f"{said}; {judged.skipped}" if judged.skipped and said else said or judged.skipped
    )
    ms, score = round(judged.took * 1000, 3), round(judged.score, 3)
    return _encode(
        RuleEntry(judged.rule, judged.check, kind, detail, judged.mode, ms, reason, judged.outcome, score)
    )


def _recipients(mail: Mail) -> tuple[Address, ...]:
    if "recipient" in mail.known:
        return (mail.recipient,) if not mail.recipient.is_null else ()
    return tuple(mail.known.get("recipients", ())[:MAX_RECIPIENTS])


def without(names: dict[str, str], text: str) -> str:
    """`text` with what stands in `names` replaced, escaped and bounded."""
    for plain, shown in names.items():
        text = text.replace(plain, shown)
    return printable(text)
