"""Pages of docs/checks, made of what the checks say of themselves, and the JSON Schema file.

`python -m lab.pages` writes them anew; a test holds the committed files to it. Each check has one
written part, its example in docs/checks/examples/NAME.yml: rules that load as they stand.
"""

import importlib
import inspect
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

from postward.checks import Check, Cost
from postward.checks.registry import CHECKS
from postward.mail import FACTS
from postward.rules.document import read
from postward.rules.load import SHIPPED
from postward.rules.options import adapter, options_schema
from postward.rules.schema import schema
from postward.rules.text import PLACEHOLDERS
from postward.stage import Door, Stage

ROOT = Path(__file__).resolve().parents[2]
PAGES = Path("docs/checks")
_Combination = tuple[tuple[str, str], ...]
"""Options and one word for each."""
_MARK = "<!-- Written by scripts/docs; do not edit. -->"
_COSTS = {
    Cost.MEMORY: "Nothing to speak of: it is answered from memory, before any look-up.",
    Cost.LOOKUP: "DNS look-ups, through the shared cache. All look-ups of one mail run at the same time, and "
    "there are none for mail that is accepted or refused already.",
    Cost.RECALL: "A question to what was seen before, nearly always answered from memory. Nothing is booked.",
    Cost.LATE: "Nothing: it is asked after all look-ups, about what they have met.",
    Cost.DELAY: "A question to the store, at policyd only; what it notes charges nobody. Asked after the "
    "look-ups, and not for mail that is refused already.",
    Cost.STATE: "A question to the store, at policyd only. It is asked last, and not for mail that is "
    "refused or deferred already, so that nothing is booked for it.",
}


def files() -> dict[Path, str]:
    """Every written file by its path below the checkout."""
    made = {PAGES / f"{name}.md": page(name) for name in CHECKS}
    made[PAGES / "README.md"] = index()
    made[SHIPPED.relative_to(ROOT) / "rules.schema.json"] = json.dumps(schema(), indent=2) + "\n"
    return made


def index() -> str:
    """The page that lists the checks."""
    rows = [(f"[`{name}`]({name}.md)", _question(name), _at(name)) for name in sorted(CHECKS)]
    return "\n".join(
        [
            _MARK,
            "# Checks",
            "",
            'A check asks one question about a mail and answers clear, hit or "could not tell". What',
            "follows is in the rule that names it: see [rules](../rules.md). To write one: "
            "[add a check](../howto/add-a-check.md).",
            "",
            *_table(("check", "question", "asked at"), rows),
            "",
        ]
    )


def page(name: str) -> str:
    """The page of one check."""
    kind = CHECKS[name]
    example = (ROOT / PAGES / "examples" / f"{name}.yml").read_text(encoding="utf-8").rstrip()
    parts = [
        [_MARK, f"# `{name}`", "", _question(name)],
        ["```yaml", example, "```"],
        [inspect.getdoc(kind) or ""],
        ["## Options (`with:`)", "", *_options(name)],
        ["## Reasons", "", *_table(("reason", "meaning"), _quoted(kind.reasons))],
        ["## Names for `reason:` and `remedy:`", "", *_names(kind)],
        ["## Where and when", "", *_where(name)],
        ["## What it costs", "", _COSTS[kind.cost]],
        ["## In the shipped rules", "", *_used(name)],
        *_measured(name),
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _measured(name: str) -> list[list[str]]:
    """What `lab.names` measured of the check, if it did."""
    file = ROOT / PAGES / "measured" / f"{name}.md"
    return [["## Measured", "", file.read_text(encoding="utf-8").rstrip()]] if file.exists() else []


def _at(name: str) -> str:
    check = _any(name)
    return " or ".join(door.value for door in _doors(check.cost, check.needs))


def _question(name: str) -> str:
    """The first line of the check's file."""
    doc = importlib.import_module(CHECKS[name].__module__).__doc__ or ""
    return doc.partition("\n")[0]


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = [head, ("---",) * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def _quoted(texts: Mapping[str, str]) -> list[tuple[str, ...]]:
    return [(f"`{word}`", text) for word, text in texts.items()]


def _options(name: str) -> list[str]:
    made = options_schema(name)
    required, defs = made.get("required", []), made.get("$defs", {})
    rows = [
        (
            f"`{option}`",
            _type(each, defs),
            "needed" if option in required else f"`{_yaml(each['default'])}`",
            each["description"],
        )
        for option, each in made.get("properties", {}).items()
    ]
    return _table(("option", "value", "default", "meaning"), rows) if rows else ["None."]


def _type(made: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    """What a value may be, in words."""
    if "$ref" in made:
        inner = defs[made["$ref"].rpartition("/")[2]]
        keys = ", ".join(f"{key}: {_type(each, defs)}" for key, each in inner["properties"].items())
        return f"`{{{keys}}}`"
    if "enum" in made:
        return ", ".join(f"`{word}`" for word in made["enum"])
    if "anyOf" in made:
        one, other = made["anyOf"]
        if other.get("type") == "null":
            return _type(one, defs)
        assert "pattern" in other, made  # postward.duration
        seconds = _bounds(one, "minimum", "maximum")
        return f"duration, {seconds}s" if seconds else "duration"
    if made.get("type") == "array":
        return f"list of {_bounds(made, 'minItems', 'maxItems')}{_type(made['items'], defs)}"
    words = {"integer": "whole number", "number": "number", "string": "text", "boolean": "`true`, `false`"}
    bounds = _bounds(made, "minimum", "maximum")
    return f"{words[made['type']]}{', ' + bounds.strip() if bounds else ''}"


def _bounds(made: Mapping[str, Any], low: str, high: str) -> str:
    if low in made and high in made:
        return f"{made[low]} to {made[high]} "
    if low in made:
        return f"{made[low]} or more "
    return f"at most {made[high]} " if high in made else ""


def _yaml(value: Any) -> str:
    if value is None:
        return "none"
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list | tuple) else str(value)


def _names(kind: Any) -> list[str]:
    rows = [(f"`{{{name}}}`", text) for name, text in kind.says.items()]
    always = ", ".join(f"`{{{name}}}`" for name in PLACEHOLDERS)
    if not rows:
        return [f"Those of every rule, where they are known: {always}."]
    return [*_table(("name", "value"), rows), "", f"And those of every rule, where they are known: {always}."]


@cache
def _any(name: str) -> Check:
    """The check with the options of its example."""
    for rule in read(ROOT / PAGES / "examples" / f"{name}.yml").data["rules"]:
        if rule["check"] == name:
            return adapter(name).validate_json(json.dumps(rule.get("with", {})), strict=True)
    raise ValueError(f"the example of {name} does not use it")


def _where(name: str) -> list[str]:
    """What the check reads and when it can be asked: for each group of options that makes a difference."""
    check: Any = _any(name)
    words = {
        each.name: [
            word for word in get_args(get_type_hints(CHECKS[name])[each.name]) if isinstance(word, str)
        ]
        for each in fields(check)
    }
    every = {
        combination: replace(check, **dict(combination))
        for combination in _combinations({option: values for option, values in words.items() if values})
    }
    groups: dict[frozenset[str], list[str]] = {}
    for combination, each in every.items():
        telling = [f"{key}: {word}" for key, word in combination if _matters(key, every)]
        groups.setdefault(each.needs, []).append(", ".join(telling))
    if len(groups) == 1:
        return [f"It reads {_facts(check.needs)}. It is asked {_asked(check.cost, check.needs)}."]
    rows = [
        ("; ".join(f"`{each}`" for each in dict.fromkeys(options)), _facts(needs), _asked(check.cost, needs))
        for needs, options in groups.items()
    ]
    return _table(("options", "reads", "asked"), rows)


def _combinations(words: Mapping[str, list[str]]) -> Iterator[_Combination]:
    for values in itertools.product(*words.values()):
        yield tuple(zip(words, values, strict=True))


def _matters(option: str, every: Mapping[_Combination, Check]) -> bool:
    """Whether what the check reads depends on this option."""
    seen: dict[_Combination, frozenset[str]] = {}
    for combination, check in every.items():
        others = tuple(pair for pair in combination if pair[0] != option)
        if seen.setdefault(others, check.needs) != check.needs:
            return True
    return False


def _facts(facts: frozenset[str]) -> str:
    return ", ".join(f"`{fact}`" for fact in sorted(facts))


def _asked(cost: Cost, needs: frozenset[str]) -> str:
    """`at policyd or the milter, from stage mail on`."""
    first = {door: _first(needs, door) for door in _doors(cost, needs)}
    doors = " or ".join("the milter" if door is Door.MILTER else door.value for door in first)
    if "recipient" in needs:
        return f"at {doors}, at stage rcpt"
    [stage] = set(first.values())  # a test of facts holds both doors to the same stage
    return f"at {doors}, from stage {stage.word} on"


def _doors(cost: Cost, needs: frozenset[str]) -> list[Door]:
    """The doors that can ask a check of this cost."""
    known = [door for door in Door if all(FACTS[fact].stage(door) is not None for fact in needs)]
    return [door for door in known if cost not in (Cost.STATE, Cost.DELAY) or door is Door.POLICYD]


def _first(needs: frozenset[str], door: Door) -> Stage:
    """The stage from which on `door` knows all of these facts."""
    stages = (FACTS[fact].stage(door) for fact in needs)
    return max((stage for stage in stages if stage is not None), default=Stage.CONNECT)


def _used(name: str) -> list[str]:
    rules = [rule for rule in read(SHIPPED / "rules.yml").data["rules"] if rule["check"] == name]
    rows = [
        (
            f"`{rule['name']}`",
            f"`{_flow(rule.get('with', {}))}`",
            f"`{_flow(rule['then'])}`",
            _conditions(rule),
        )
        for rule in rules
    ]
    return _table(("rule", "options", "then", "only"), rows) if rows else ["None of them uses it."]


def _conditions(rule: Mapping[str, Any]) -> str:
    parts = [f"{key} {', '.join(map(_flow, rule[key]))}" for key in ("when", "unless") if key in rule]
    return "; ".join(parts)


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(each)}" for key, each in value.items()) + "}"
    return _yaml(value)


def main() -> None:
    """Write them."""
    for path, text in files().items():
        (ROOT / path).write_text(text, encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
