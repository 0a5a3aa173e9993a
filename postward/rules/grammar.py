"""The words of a rule: outcomes, conditions, modes, dates and texts, from values to what is compiled."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from postward.address import normal_domain
from postward.duration import whole_seconds
from postward.rules.conditions import KINDS, Condition
from postward.rules.outcomes import DEFAULT_REPLIES, DOCS, Outcome
from postward.rules.reader import Reader, Value, kind
from postward.rules.rule import Mode
from postward.rules.text import BadTemplate, Template, template

MAX_SCORE = 1_000.0
TAG_FIELD = "X-Postward-Tag"
# RFC 5322 3.6, 5321 4.4, 2045, 8601, 7208 9.1, 6376, 8617, 2369, and what MTAs write.
_TAKEN = frozenset({
    "authentication-results", "bcc", "cc", "comments", "date", "delivered-to", "dkim-signature",
    "domainkey-signature", "envelope-to", "errors-to", "from", "in-reply-to", "keywords", "message-id",
    "mime-version", "received", "received-spf", "references", "reply-to", "return-path", "sender",
    "subject", "to", "x-original-to",
})  # fmt: skip
_TAKEN_PREFIXES = ("arc-", "content-", "list-", "resent-", "x-postward-")
_SHORTEST, _LONGEST = 60, 400 * 86_400  # seconds that a client is remembered
_CLASSES = {"reject": (500, "5"), "defer": (400, "4")}


def outcome(reader: Reader, value: Value) -> Outcome | None:
    """`reject`, `{score: 2.5}`, `{reject: {code: 554, enhanced: 5.7.1}}`, `{tag: {subject: ...}}` ..."""
    if isinstance(value.data, str):
        word = reader.word(value, tuple(DOCS))
        if word == "score":
            reader.complain(value, "score needs its number: {score: 2.5}")
            return None
        return Outcome(word) if word else None
    if not isinstance(value.data, dict):
        reader.complain(value, f"must be an outcome such as reject or {{score: 2.5}}, not {kind(value.data)}")
        return None
    members = reader.mapping(value, tuple(DOCS))
    if not value.data:
        reader.complain(value, "must name an outcome such as reject or {score: 2.5}")
    elif len(value.data) > 1:
        reader.complain(value, "must be one outcome; write a second rule for a second one")
    if len(value.data) != 1 or not members:
        return None
    word, argument = members.popitem()
    if word == "score" and argument.data == "own":
        return Outcome(word, own=True)
    if word == "score":
        number = reader.number(argument, -MAX_SCORE, MAX_SCORE)
        return Outcome(word, score=number) if number is not None else None
    if word in ("reject", "defer"):
        return _reply_outcome(reader, word, argument)
    if word == "tag":
        return _tag(reader, argument)
    reader.complain(argument, f"takes no options; write {word} alone")
    return None


def _reply_outcome(reader: Reader, word: str, argument: Value) -> Outcome | None:
    members = reader.mapping(argument, ("code", "enhanced"))
    hundred, first = _CLASSES[word]
    code, enhanced = DEFAULT_REPLIES[word]
    if "code" in members:
        number = reader.whole(members["code"], hundred, hundred + 99)
        if number is None:
            return None
        code = number
    if "enhanced" in members:
        text = members["enhanced"].data
        if not isinstance(text, str) or not _is_enhanced(text, first):
            reader.complain(members["enhanced"], f"must be a status code such as {first}.7.1 (RFC 3463)")
            return None
        enhanced = text
    return Outcome(word, code=code, enhanced=enhanced)


def _is_enhanced(text: str, first: str) -> bool:
    parts = text.split(".")
    return len(parts) == 3 and parts[0] == first and all(p.isdecimal() and len(p) <= 3 for p in parts)


def _tag(reader: Reader, argument: Value) -> Outcome | None:
    members = reader.mapping(argument, ("header", "subject"))
    texts = {key: reader.text(member) for key, member in members.items()}
    for key, text in texts.items():
        if text is not None and not (text.isascii() and text.isprintable() and len(text) <= 64):
            reader.complain(members[key], "must be printable ASCII, at most 64 characters")
            return None
    header = texts.get("header") or ""
    if header and not header.replace("-", "").isalnum():
        reader.complain(members["header"], "must be a header field name such as X-Spam")
        return None
    if _is_taken(header.lower()):
        reader.complain(
            members["header"], f"{header} has a meaning of its own; choose another such as X-Spam"
        )
        return None
    return Outcome("tag", header=header, subject=texts.get("subject") or "")


def _is_taken(name: str) -> bool:
    """Whether a standard, an MTA or we ourselves say what stands in this field."""
    return name in _TAKEN or (name.startswith(_TAKEN_PREFIXES) and name != TAG_FIELD.lower())


def conditions(reader: Reader, value: Value, lists: Mapping[str, Any]) -> tuple[Condition, ...]:
    """The conditions of `when:` or `unless:`."""
    found = (_condition(reader, item, lists) for item in reader.items(value))
    return tuple(condition for condition in found if condition is not None)


def _condition(reader: Reader, value: Value, lists: Mapping[str, Any]) -> Condition | None:
    if isinstance(value.data, dict) and len(value.data) == 1:
        members = reader.mapping(value, tuple(KINDS))
        if not members:
            return None
        word, argument = members.popitem()
        return _with_argument(reader, word, argument, lists)
    if isinstance(value.data, dict):
        reader.complain(value, "must be one condition; write a further item for a further one")
        return None
    word_or_none = reader.word(value, tuple(KINDS))
    if word_or_none is None:
        return None
    known = KINDS[word_or_none]
    if known.argument is not None:
        reader.complain(value, f"needs its argument: {{{word_or_none}: ...}}")
        return None
    return Condition(word_or_none, "", known.needs, known.make(None), known.by_score)


def _with_argument(reader: Reader, word: str, argument: Value, lists: Mapping[str, Any]) -> Condition | None:
    known = KINDS[word]
    if known.argument is None:
        reader.complain(argument, f"takes no argument; write {word} alone")
        return None
    if known.argument == "number":
        number = reader.number(argument, -MAX_SCORE, MAX_SCORE)
        if number is None:
            return None
        return Condition(word, repr(number), known.needs, known.make(number), known.by_score)
    if known.argument == "list":
        name = reader.text(argument)
        if name is None or not list_exists(reader, argument, name, lists):
            return None
        return Condition(word, name, known.needs, known.make(name))
    words = reader.words(argument)
    if not words:
        return None
    if word.endswith("_domain"):
        words = domains(reader, argument, words)
    rules = words if known.argument == "rules" else ()
    return Condition(word, repr(words), known.needs, known.make(words), known.by_score, rules)


def domains(reader: Reader, value: Value, words: tuple[str, ...]) -> tuple[str, ...]:
    """The words as domain names, in the form that facts have."""
    names = [(word, normal_domain(word)) for word in words]
    for word, name in names:
        if name is None:
            reader.complain(value, f"{word!r} is no domain name")
    return tuple(name for _, name in names if name is not None)


def list_exists(reader: Reader, value: Value, name: str, lists: Mapping[str, Any]) -> bool:
    """Whether the list is there; a problem when it is not."""
    if name in lists:
        return True
    known = ", ".join(sorted(lists)) or "none"
    reader.complain(value, f"there is no lists/{name}.yml (lists: {known})")
    return False


def remember(reader: Reader, value: Value) -> tuple[str, float] | None:
    """`{list: trapped-clients, for: 7d}`: the name of the automatic list, and seconds."""
    members = reader.mapping(value, ("list", "for"))
    for key in ("list", "for"):
        if key not in members and isinstance(value.data, dict):
            reader.complain(value, f"needs {key}:, as in {{list: trapped-clients, for: 7d}}")
    if len(members) < 2:
        return None
    name = reader.text(members["list"])
    if name is not None and not (name.isascii() and name.replace("-", "").isalnum() and len(name) <= 48):
        reader.complain(members["list"], "must be letters, digits and hyphens, at most 48")
        return None
    try:
        length = whole_seconds(members["for"].data)
    except ValueError as error:
        reader.complain(members["for"], str(error))
        return None
    if isinstance(length, bool) or not isinstance(length, int) or not _SHORTEST <= length <= _LONGEST:
        reader.complain(members["for"], "must be from 1m to 400d")
        return None
    return None if name is None else (name, float(length))


def mode(reader: Reader, value: Value) -> tuple[Mode, float] | None:
    """`off`, `shadow`, `enforce`, or `canary: 10%` (as text or as a mapping): the mode and the share."""
    if isinstance(value.data, dict) and list(value.data) == ["canary"]:
        return _canary(reader, value.at("canary"))
    if isinstance(value.data, str) and value.data.startswith("canary"):
        text = value.data.removeprefix("canary").lstrip(":").strip()
        return _canary(reader, Value(text, value.document, value.path))
    word = reader.word(value, [each.value for each in Mode])
    return (Mode(word), 1.0) if word else None


def _canary(reader: Reader, value: Value) -> tuple[Mode, float] | None:
    text = value.data
    try:
        percent = float(text[:-1]) if isinstance(text, str) and text.endswith("%") else -1.0
    except ValueError:
        percent = -1.0
    if not 0 < percent <= 100:
        reader.complain(value, "canary needs a share of the mail, above 0% and up to 100%: {canary: 10%}")
        return None
    return Mode.CANARY, percent / 100


def until(reader: Reader, value: Value) -> float | None:
    """`never`: no end, also where an earlier file gave one; else as `last_day`."""
    return None if value.data == "never" else last_day(reader, value, "a date such as 2027-01-31, or never")


def last_day(reader: Reader, value: Value, must_be: str = "a date such as 2027-01-31") -> float | None:
    """`2027-01-31` -> the end of that day (UTC), in seconds since the epoch."""
    try:
        day = datetime.strptime(value.data, "%Y-%m-%d").replace(tzinfo=UTC)
    except (TypeError, ValueError):
        reader.complain(value, f"must be {must_be}")
        return None
    return day.timestamp() + 86_400


def text(reader: Reader, value: Value, says: Mapping[str, str]) -> Template | None:
    """A reason or remedy with `{names}`."""
    words = reader.text(value)
    if words is None:
        return None
    try:
        return template(words, says)
    except BadTemplate as error:
        for why in error.args:
            reader.complain(value, why)
        return None
