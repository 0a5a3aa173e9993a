"""The header fields of our own at the end of a message, and the forged ones that go.

A client can write any field. Whatever claims to be ours is removed before ours is written, last to
first, so that the numbers of those still to be removed stay true (THREATS A13, CVE-2022-48521).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from milters.intake import text
from milters.settings import MilterSettings
from postward import carried as findings
from postward.carried import Carried, CarriedSpf
from postward.decision import AddHeader, Decision, DropHeader, Quarantine
from postward.derive.authresults import FIELD_NAME, Property, Result, authserv_id_of, write
from postward.mail import HeaderField, Mail
from postward.rules.judgement import Judgement

VERDICT_NAME: Final = "X-Postward-Verdict"
_RESULTS: Final = FIELD_NAME.lower().encode()
_FINDINGS: Final = findings.FIELD_NAME.lower().encode()
_VERDICT: Final = VERDICT_NAME.lower().encode()
_OURS: Final = b"x-postward-"
_SPELLED: Final = {_FINDINGS: findings.FIELD_NAME, _VERDICT: VERDICT_NAME}
_MAX_NAMED: Final = 40  # rules in the verdict field
# With one of these the message's own header has begun; policy services prepend before it.
_OWN: Final = frozenset(
    b"bcc cc content-type date dkim-signature from message-id mime-version received reply-to"
    b" return-path sender subject to".split()
)


def is_findings(field: HeaderField) -> bool:
    """Whether this is a findings field of policyd, or a forged one."""
    return _key(field) == _FINDINGS


def unseal(headers: Iterable[HeaderField], key: bytes, queue_id: str) -> Carried | None:
    """What policyd found, from the field that it prepended; `None` when there is no genuine one.

    Only a field before the message's own header counts, and only one sealed for this queue id.
    """
    for field in headers:
        name = _key(field)
        if name in _OWN:
            return None
        if name == _FINDINGS and queue_id:
            held = findings.unseal(key, queue_id, text(field.value))
            if held is not None:
                return held
    return None


def forged(
    headers: Sequence[HeaderField], settings: MilterSettings, tags: frozenset[str] = frozenset()
) -> tuple[DropHeader, ...]:
    """The fields that must go: whatever begins like ours, results in our name, `tags` of our rules."""
    return tuple(_forged(headers, settings, tags))


def _forged(
    headers: Sequence[HeaderField], settings: MilterSettings, tags: frozenset[str]
) -> Iterator[DropHeader]:
    ours = settings.authserv_id.lower().rstrip(".")
    counted: dict[bytes, int] = {}
    for field in headers:
        name = _key(field)
        own = name.startswith(_OURS) or text(name) in tags
        if not own and name != _RESULTS:
            continue
        counted[name] = counted.get(name, 0) + 1
        if own:
            yield DropHeader(_SPELLED.get(name) or text(name), counted[name])
        elif settings.authentication_results and authserv_id_of(field.value) in (ours, None):
            yield DropHeader(FIELD_NAME, counted[name])


def results(authserv_id: str, mail: Mail, spf: CarriedSpf | None) -> AddHeader:
    """Our Authentication-Results, to stand above everything (RFC 8601 section 4)."""
    found: tuple[Result, ...] = ()
    if mail.sasl_username:
        # Without smtp.auth: the field leaves with the mail, and who logs in as what is nobody's business.
        found = (Result("auth", "pass"),)
    elif spf is not None:
        about = Property("smtp", spf.identity, spf.value)
        found = (Result("spf", spf.result, spf.reason, (about,)),)
    return AddHeader(FIELD_NAME, write(authserv_id, found))


def verdict(judgement: Judgement, decision: Decision, told: Carried | None) -> AddHeader:
    """One field that says what both doors decided and why."""
    rules = [f"{rule}:{score:g}" for rule, score in (told.hits if told is not None else ())]
    rules += [
        f"{each.rule}:{each.score:g}" if each.score else each.rule
        for each in judgement.judged
        if each.outcome and each.enforced
    ]
    by, named = judgement.by, {rule.partition(":")[0] for rule in rules}
    if isinstance(decision, Quarantine) and " " not in by and by not in named:
        rules.append(by)  # a rule that was judged at an earlier stage or at the other door
    words = [
        type(decision).__name__.lower(),
        f"score={judgement.score:g}",
        f"rules={','.join(rules[:_MAX_NAMED])}",
        f"trace={judgement.trace}",
    ]
    return AddHeader(VERDICT_NAME, "; ".join(words))


def _key(field: HeaderField) -> bytes:
    """The name as it is compared; `Name :` is a way to write it, too (RFC 5322 4.5)."""
    return field.name.strip().lower()
