"""A rehearsed mail as a person reads it: every rule in a table, then each answer, then the last one."""

from typing import TYPE_CHECKING

from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from postward.console.timeline import colour, escaped, paper
from postward.rules.rule import Mode

if TYPE_CHECKING:
    from postward.console.pretend import Envelope
    from postward.console.rehearsal import Rehearsal
    from postward.journal import RuleEntry
    from postward.rules.rule import Rule
    from postward.rules.ruleset import Ruleset


def show(
    rules: "Ruleset", envelope: "Envelope", rehearsal: "Rehearsal", *, console: Console | None = None
) -> None:
    """Print it."""
    out = console or paper()
    _envelope(out, envelope)
    out.print()
    out.print(_rules(rules, rehearsal))
    out.print()
    for step in rehearsal.steps:
        line = Text(f"{step.door:<7} {step.stage:<7} ") + escaped(
            step.decision.upper(), colour(step.decision)
        )
        about = step.recipients[0] if step.stage == "rcpt" and step.recipients else ""
        line += escaped(f" by {step.by}" if step.by else "") + escaped(
            f"  to {about}" if about else "", "dim"
        )
        out.print(line + escaped(f"  score {step.score:g}  {step.reply}"), soft_wrap=True)
    for edit in rehearsal.edits:
        out.print(escaped(f"edit: {edit}"), soft_wrap=True)
    last = escaped(rehearsal.answer.upper(), f"bold {colour(rehearsal.answer)}")
    out.print(Text("\nFinal answer: ") + last + escaped(f"  {rehearsal.reply}"), soft_wrap=True)


def _envelope(out: Console, envelope: "Envelope") -> None:
    names = envelope.client_name
    if envelope.reverse_client_name != names:
        names += f" (PTR {envelope.reverse_client_name})"
    out.print(escaped(f"client {envelope.client} {names}, HELO {envelope.helo}"), soft_wrap=True)
    recipients = ", ".join(f"<{each.text}>" for each in envelope.recipients)
    out.print(escaped(f"from <{envelope.sender.text}> to {recipients}"), soft_wrap=True)
    if envelope.login:
        out.print(escaped(f"login {envelope.login}"), soft_wrap=True)
    if envelope.assumed:
        out.print(escaped(f"assumed: {', '.join(envelope.assumed)}", "dim"), soft_wrap=True)


def _rules(rules: "Ruleset", rehearsal: "Rehearsal") -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for name in ("rule", "where", "found", "what", "followed", "score"):
        justify: JustifyMethod = "right" if name == "score" else "left"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=name != "what")
    judged = rehearsal.rules()
    for rule in rules.rules:
        _, found = judged.get(rule.name, (None, None))
        where = f"{rule.door.value} {rule.stage.word}"
        what = _not_asked(rule) if found is None else _asked(found)
        table.add_row(escaped(rule.name), escaped(where, "dim"), *what)
    return table


def _not_asked(rule: "Rule") -> tuple[Text, ...]:
    why = "off" if rule.mode is Mode.OFF else "not reached"
    return escaped(why, "dim"), Text(""), Text("-"), Text("")


def _asked(found: "RuleEntry") -> tuple[Text, ...]:
    kind = f"{found.finding}: {found.reason}" if found.reason else found.finding
    followed = found.outcome or "-"
    if found.outcome and not found.enforced:
        followed += f" ({found.mode}: not done)"
    return (
        escaped(kind, "bold" if found.finding == "hit" else "dim"),
        escaped(found.detail),
        escaped(followed),
        escaped(f"{found.score:+g}" if found.score else ""),
    )
