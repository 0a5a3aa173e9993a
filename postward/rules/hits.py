"""Conditions on other rules (`hit`): what they name must be there, and must have been judged before.

A rule that looks at a rule about one recipient is itself about one: else it would be judged again at
DATA, where nothing is known of recipients.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from postward.rules.errors import did_you_mean
from postward.rules.reader import Reader, Value
from postward.rules.rule import Rule
from postward.stage import Stage

Members = Mapping[str, Value]


def settled(
    rule: Rule,
    members: Members,
    known: Mapping[str, Rule | None],
    varying: Collection[str],
    reader: Reader,
) -> Rule:
    """The rule, about one recipient if what it looks at is; every problem is noted.

    `known`: all rules by name, None for one that is not judged at this site. `varying`: those that
    overrides change for some recipients.
    """
    conditions = (*rule.gate.when, *rule.gate.unless) if rule.gate is not None else ()
    named = [name for condition in conditions for name in condition.rules]
    for_one = rule.per_recipient
    for name in named:
        target = known.get(name)
        why = _why_not(rule, name, target, known)
        if why:
            reader.complain(_place(members, name), why)
        elif target is not None and (target.per_recipient or name in varying):
            for_one = True
    if for_one and not rule.per_recipient:
        if rule.stage > Stage.RCPT:
            reader.complain(
                _place(members, named[0]), f"is about one recipient, but this is judged at {rule.stage.word}"
            )
        return replace(rule, per_recipient=True, stage=Stage.RCPT)
    return rule


def _why_not(rule: Rule, name: str, target: Rule | None, known: Mapping[str, Rule | None]) -> str:
    """Why this rule cannot know whether `name` has hit; empty: it can."""
    if name not in known:
        return f"there is no rule {name}{did_you_mean(name, tuple(known))}"
    if target is None:
        return ""
    if target.door is not rule.door:
        return f"{name} is judged by {target.door.value}, this rule by {rule.door.value}"
    if target.phase >= rule.phase:
        late = "itself looks at score or hits" if target.weighs else "is judged at the same time or later"
        return f"{name} {late}, so it is not known yet whether it hits"
    return ""


def _place(members: Members, name: str) -> Value:
    """Where the rule names `name`."""
    for key in ("when", "unless"):
        if key not in members or not isinstance(members[key].data, list):
            continue
        for index, item in enumerate(members[key].data):
            if isinstance(item, dict) and name in str(item.get("hit", "")):
                return members[key].at(index).at("hit")
    return members["name"]
