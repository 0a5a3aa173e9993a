"""What the rules decided -> the milter protocol's words.

Before the end of the message only refusals and a discard can be said; what Postfix takes at the end
only (quarantine, changes of the header) is remembered until then. An accepting rule never ends the
dialogue early: forged fields must still be taken out at the end.
"""

from collections.abc import Iterable, Iterator
from typing import assert_never

from milters.actions import (
    Action,
    Answer,
    Change,
    ChangeHeader,
    DeleteRecipient,
    InsertHeader,
    PutOnHold,
    ReplyCode,
    body_chunks,
)
from milters.actions import Reply as Plain
from milters.field import field_name, field_value, reply_text
from milters.settings import OnTrouble
from postward import decision as said
from postward.decision import (
    Accept,
    AddHeader,
    Continue,
    Decision,
    Defer,
    Discard,
    DropHeader,
    Edit,
    Hold,
    Quarantine,
    Reject,
    ReplaceBody,
)

TOO_MUCH_HEADER = said.Reply(552, "5.3.4", "The message header is too large")
_TROUBLE = said.Reply(451, "4.3.0", "Temporary trouble on our side. Please try again later")
_TROUBLE_FOR_GOOD = said.Reply(554, "5.3.0", "Trouble on our side. The message was not accepted")


def reply(decision: Decision) -> Plain | ReplyCode:
    """The reply for a decision: at any stage, as far as it is a reply at all."""
    match decision:
        case Continue() | Quarantine():
            return Plain.CONTINUE
        case Accept():
            return Plain.ACCEPT
        case Reject(reply=words) | Defer(reply=words) | Hold(reply=words):
            return reply_code(words)
        case Discard():
            return Plain.DISCARD
        case _:
            assert_never(decision)


def before_end(decision: Decision) -> Answer:
    """The answer at a stage before the end of the message."""
    spoken = reply(decision)
    return (Plain.CONTINUE,) if spoken is Plain.ACCEPT else (spoken,)


def refuses(decision: Decision) -> bool:
    """Whether the client is told no, for now or for good."""
    return isinstance(decision, Reject | Defer | Hold)


def reply_code(words: said.Reply) -> ReplyCode:
    """An SMTP reply that is surely one line."""
    return ReplyCode(words.code, words.enhanced, reply_text(words.text))


def trouble(choice: OnTrouble) -> Answer:
    """What is said when we ourselves fail."""
    match choice:
        case "tempfail":
            return (reply_code(_TROUBLE),)
        case "reject":
            return (reply_code(_TROUBLE_FOR_GOOD),)
        case "accept":
            return (Plain.ACCEPT,)
        case _:
            assert_never(choice)


def put_on_hold(why: str) -> PutOnHold:
    """Quarantine, with a reason that is one printable line."""
    return PutOnHold(reply_text(why))


def delete_recipients(paths: Iterable[bytes]) -> tuple[DeleteRecipient, ...]:
    """Recipients for whom the message is thrown away, while others get it."""
    return tuple(DeleteRecipient(path) for path in paths)


def spell(drops: Iterable[DropHeader], edits: Iterable[Edit], leading_space: bool) -> tuple[Action, ...]:
    """Changes in an order that keeps all numbers true.

    The occurrences in `drops` and `edits` are those of the message as it came, so fields are changed
    and removed from the last to the first, before any is added. `edits` are added in their order.
    """
    edits = tuple(edits)
    space = " " if leading_space else ""
    changes: dict[tuple[str, int], ChangeHeader] = {}
    for edit in (*edits, *drops):
        match edit:
            case said.ChangeHeader(name, value, occurrence):
                changed = ChangeHeader(occurrence, *_spelled(name, value, space))
                changes[name.lower(), occurrence] = changed
            case DropHeader(name, occurrence):
                changes[name.lower(), occurrence] = ChangeHeader(occurrence, field_name(name), "")
    ordered = sorted(changes.values(), key=lambda change: -change.occurrence)
    return (*ordered, *_additions(edits, space))


def _additions(edits: Iterable[Edit], space: str) -> Iterator[Change]:
    for edit in edits:
        match edit:
            case AddHeader(name, value, index):
                yield InsertHeader(index, *_spelled(name, value, space))
            case ReplaceBody(body):
                yield from body_chunks(body)
            case said.ChangeHeader() | DropHeader():
                continue
            case _:
                assert_never(edit)


def _spelled(name: str, value: str, space: str) -> tuple[str, str]:
    """A field's name and value, safe; the value is never empty, which would remove the field."""
    name = field_name(name)
    return name, (space + field_value(value, len(name))) or " "
