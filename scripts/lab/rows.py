"""One row of the demonstration's table: what happened to a message beside what should have."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.markup import escape
from rich.table import Table

from lab.cases import Answered, Case
from lab.daemons import Daemons
from lab.patience import GaveUp, until
from lab.postfix import Postfix

_NO_STRANGER = frozenset({"spf-verified", "known-domain", "known-correspondent", "approved", "well-rated"})
_TRACE = re.compile(r"\[([0-9A-HJKMNP-TV-Z]{10})\]")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; `wrong` is empty when everything was as expected."""

    sent: str
    client: str
    answer: str
    at: str
    decision: str
    score: float
    rules: tuple[str, ...]
    why: str
    trace: str
    wrong: tuple[str, ...]


def row(case: Case, answered: Answered, daemons: Daemons, postfix: Postfix) -> Row:
    """Compare what happened with what should have."""
    reply = answered.reply
    wrong = []
    if (reply.code, answered.at) != case.answer:
        wrong.append(f"expected {case.answer[0]} at {case.answer[1]}")
    if len(answered.after_data) > 1:
        wrong.append(f"{len(answered.after_data)} answers to one message")
    trace = _TRACE.search(reply.text)
    key = trace[1] if trace else reply.queue_id
    entries = _journal(key, daemons, bool(reply.queue_id)) if key else []
    judged = {rule["rule"]: rule for entry in entries for rule in entry["rules"] if rule["finding"] == "hit"}
    missing, surplus = case.rules - set(judged), set(judged) - case.rules - case.also_fine - _NO_STRANGER
    wrong += [f"{name} did not hit" for name in sorted(missing)]
    wrong += [f"{name} hit" for name in sorted(surplus)]
    if case.delivered is not None and reply.queue_id:
        wrong.append(_delivered(case, reply.queue_id, postfix))
    last: Mapping[str, Any] = (
        entries[-1] if entries else {"decision": "", "score": 0.0, "trace": "", "by": ""}
    )
    return Row(
        sent=case.title + (f"\n$ postward {shlex.join(case.before)}" if case.before else ""),
        client=case.letter.client.address if case.letter.client else "127.0.0.1 (login)",
        answer=reply.text,
        at=answered.at,
        decision=last["decision"],
        score=max((entry["score"] for entry in entries), default=0.0),
        rules=tuple(f"{name} {_points(rule)}".strip() for name, rule in judged.items()),
        why=_why(entries, judged),
        trace=last["trace"],
        wrong=tuple(word for word in wrong if word),
    )


def _points(rule: Mapping[str, Any]) -> str:
    return f"{rule['score']:+g}" if rule["score"] else str(rule["outcome"])


def _why(entries: Sequence[Mapping[str, Any]], judged: Mapping[str, Mapping[str, Any]]) -> str:
    if not entries:
        return "refused before Postward was asked"
    deciding = next((str(entry["by"]) for entry in reversed(entries) if entry["by"]), "")
    if deciding:
        return f"{entries[-1]['decision']} by {deciding}"
    return "score below every threshold" if judged else "nothing against it"


def _journal(key: str, daemons: Daemons, until_the_end: bool) -> list[dict[str, Any]]:
    """The journal's entries; written behind, so ask until they are there."""

    def entries() -> list[dict[str, Any]]:
        found = daemons.why(key)
        ended = any(entry["stage"] == "eom" and entry["door"] == "milter" for entry in found)
        return found if ended or not until_the_end else []

    try:
        return until(entries, f"{key} in the journal", within=5)
    except GaveUp:
        return daemons.why(key)


def _delivered(case: Case, queue_id: str, postfix: Postfix) -> str:
    assert case.delivered is not None
    try:
        return case.delivered(postfix.wait_delivered(case.letter.recipient.partition("@")[0], queue_id))
    except GaveUp as gone:
        return str(gone)


def table(rows: Sequence[Row]) -> Table:
    made = Table(title="What was sent, what the server answered, and why", show_lines=True, expand=True)
    for title, ratio in (
        ("", None),
        ("sent", 5),
        ("answered", 8),
        ("rules that hit", 5),
        ("why", 4),
        ("", None),
    ):
        made.add_column(title, ratio=ratio, overflow="fold")
    for number, one in enumerate(rows, 1):
        mark = "[green]ok[/green]" if not one.wrong else "[red bold]WRONG[/red bold]"
        wrong = "".join(f"\n[red]{escape(word)}[/red]" for word in one.wrong)
        made.add_row(
            str(number),
            f"{escape(one.sent)}\n[dim]{escape(one.client)}[/dim]",
            f"{escape(one.answer)}\n[dim]to {escape(one.at)}[/dim]",
            escape("\n".join(one.rules) or "-"),
            escape(one.why) + wrong,
            mark,
        )
    return made
