"""The JSON Schema (2020-12) of rules files, for the completion and the warnings of editors.

Made of what the rules are compiled by: checks' fields, conditions, outcomes, thresholds. It cannot
say everything that loading says (doors, stages, lists, names in texts): `postward check` has the
last word. `postward/shipped/rules.schema.json` is this schema, written by `scripts/docs`.
"""

from typing import Any

from postward.checks.registry import CHECKS
from postward.rules.compile import KEYS
from postward.rules.conditions import KINDS
from postward.rules.grammar import MAX_SCORE
from postward.rules.hold import AT_DEADLINE
from postward.rules.hold_keys import MAX_REMINDERS
from postward.rules.load import CHANGEABLE, FOR_KEYS, TOP
from postward.rules.options import adapter
from postward.rules.outcomes import DOCS
from postward.rules.text import MAX_TEXT
from postward.rules.thresholds import Thresholds
from postward.stage import Door, Stage

Schema = dict[str, Any]

_TOP_DOCS = {
    "shipped": "Whether the rules that Postward ships are used too.",
    "rules": "Rules, in order. One with the name of an earlier rule changes the keys that it gives.",
    "thresholds": "Total scores from which something follows.",
    "overrides": "What is different for some recipients, logins or listeners. A later one wins.",
    "holds": "How long a sender's domain is held, when people are reminded, and what follows then.",
}
_KEY_DOCS = {
    "name": "Shown in logs, replies and commands: small letters, digits and hyphens.",
    "check": "The question that is asked about the mail.",
    "with": "The options of the check.",
    "when": "Asked only if all of these hold.",
    "unless": "Not asked if one of these holds.",
    "then": "What follows from a hit.",
    "unsure": "What follows if the check could not tell; by default nothing.",
    "mode": "How much the rule may do: off, shadow (only noted), canary (a share of clients), enforce.",
    "until": "The last day on which the rule is asked (UTC), or never.",
    "at": "The door that judges it; by default the first that can.",
    "stage": "The stage from which on it is judged; by default the first that knows its facts.",
    "reason": "What is wrong, for the sender. {names} are filled in.",
    "rate": "Points that a hit gives to the ratings of who is knocking; below zero is bad.",
    "remember": "A hit puts the client on this automatic list for some time (see the check `remembered`).",
    "remedy": "How to mend it, for the sender. {names} are filled in.",
}
_THRESHOLD_DOCS = {
    "greylist": "From here on the mail is `suspicious`, a condition that rules may use.",
    "tag": "From here on the message gets the field X-Postward-Tag.",
    "quarantine": "From here on the mail goes to Postfix's hold queue.",
    "defer": "From here on the mail is refused for now (450).",
    "reject": "From here on the mail is refused for good (550).",
}
_FOR_DOCS = {
    "login": "SASL logins.",
    "listener": "`policy_context` of the policy service or `{daemon_name}` of the milter.",
    "recipient_domain": "Domains of the recipient.",
    "recipient": "Whole recipient addresses.",
}
_SCORE = {"type": "number", "minimum": -MAX_SCORE, "maximum": MAX_SCORE}
_DURATION: Schema = {
    "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^[0-9]{1,9}[smhdw]$"}]
}
_WORDS: Schema = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}},
    ]
}


def schema() -> Schema:
    """The schema of one rules file."""
    kinds: dict[str, Schema] = {
        "shipped": {"enum": ["on", "off", True, False]},
        "rules": {"type": "array", "items": _ref("rule")},
        "thresholds": _ref("thresholds"),
        "overrides": {"type": "array", "items": _ref("override")},
        "holds": _holds(),
    }
    options, nested = _options()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Postward: a file of rules.d",
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": {key: kinds[key] | {"description": _TOP_DOCS[key]} for key in TOP},
        "$defs": {
            "rule": _rule(),
            "outcome": _outcome(),
            "conditions": {"type": "array", "items": _condition()},
            "mode": _mode(),
            "date": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}$"},
            "text": {"type": "string", "minLength": 1, "maxLength": MAX_TEXT, "pattern": "^[ -~]+$"},
            "thresholds": _thresholds(),
            "override": _override(),
            **options,
            **nested,
        },
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _object(properties: Schema, **more: Any) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": properties, **more}


def _members() -> Schema:
    return {
        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,47}$"},
        "check": {"oneOf": [_const(name, check.__doc__) for name, check in CHECKS.items()]},
        "with": {"type": "object"},
        "when": _ref("conditions"),
        "unless": _ref("conditions"),
        "then": _ref("outcome"),
        "unsure": _ref("outcome"),
        "mode": _ref("mode"),
        "until": {"anyOf": [_ref("date"), {"const": "never"}]},
        "at": {"enum": [door.value for door in Door]},
        "stage": {"enum": [stage.word for stage in Stage]},
        "reason": _ref("text"),
        "remedy": _ref("text"),
        "rate": {"type": "number", "minimum": -100, "maximum": 100},
        "remember": _object(
            {"list": {"type": "string", "pattern": "^[A-Za-z0-9-]{1,48}$"}, "for": _DURATION},
            required=["list", "for"],
        ),
    }


def _rule() -> Schema:
    members = _members()
    described = {key: members[key] | {"description": _KEY_DOCS[key]} for key in KEYS}
    depends = [
        {
            "if": {"properties": {"check": {"const": name}}, "required": ["check"]},
            "then": {"properties": {"with": _ref(f"with-{name}")}},
        }
        for name in CHECKS
    ]
    return _object(described, required=["name"], allOf=depends)


def _options() -> tuple[Schema, Schema]:
    """The options of each check as `with-NAME`, and the definitions that these refer to."""
    options: Schema = {}
    nested: Schema = {}
    for name in CHECKS:
        made = adapter(name).json_schema(ref_template="#/$defs/{model}")
        nested |= {key: _closed(value) for key, value in made.pop("$defs", {}).items()}
        options[f"with-{name}"] = _closed(made)
    return options, nested


def _closed(made: Schema) -> Schema:
    """An object of pydantic's without titles, which takes no other keys."""
    properties = {key: _untitled(value) for key, value in made.get("properties", {}).items()}
    return _untitled(made) | {"properties": properties, "additionalProperties": False}


def _untitled(made: Schema) -> Schema:
    return {key: value for key, value in made.items() if key != "title"}


def _const(word: str, doc: str | None) -> Schema:
    return {"const": word, "description": (doc or "").partition("\n\n")[0]}


def _outcome() -> Schema:
    words = [_const(word, doc) for word, doc in DOCS.items() if word != "score"]
    tag = {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[ -~]+$"}
    arguments = {
        "score": {"anyOf": [_SCORE, {"const": "own"}]},
        "reject": _reply(5),
        "defer": _reply(4),
        "tag": _object(
            {"header": tag | {"pattern": "^[A-Za-z0-9-]*[A-Za-z0-9][A-Za-z0-9-]*$"}, "subject": tag}
        ),
    }
    mappings = [
        _object({word: argument}, required=[word], description=DOCS[word])
        for word, argument in arguments.items()
    ]
    return {"oneOf": [*words, *mappings]}


def _reply(first: int) -> Schema:
    return _object(
        {
            "code": {"type": "integer", "minimum": first * 100, "maximum": first * 100 + 99},
            "enhanced": {"type": "string", "pattern": rf"^{first}\.[0-9]{{1,3}}\.[0-9]{{1,3}}$"},
        }
    )


def _condition() -> Schema:
    arguments = {
        "words": _WORDS,
        "rules": _WORDS,
        "list": {"type": "string", "minLength": 1},
        "number": _SCORE,
    }
    each = [
        _const(word, kind.doc)
        if kind.argument is None
        else _object({word: arguments[kind.argument]}, required=[word], description=kind.doc)
        for word, kind in KINDS.items()
    ]
    return {"oneOf": each}


def _mode() -> Schema:
    share = {"type": "string", "pattern": r"^[0-9]*\.?[0-9]+%$"}
    return {
        "oneOf": [
            {"enum": ["off", "shadow", "enforce"]},
            {"type": "string", "pattern": r"^canary:? *[0-9]*\.?[0-9]+%$"},
            _object({"canary": share}, required=["canary"]),
        ]
    }


def _thresholds() -> Schema:
    number = {"anyOf": [_SCORE, {"enum": ["off", None]}]}
    names = Thresholds.__dataclass_fields__
    return _object({name: number | {"description": _THRESHOLD_DOCS[name]} for name in names})


def _holds() -> Schema:
    return _object(
        {
            "for": _DURATION | {"description": "1h to 120h; by default 24h."},
            "remind": {"type": "array", "maxItems": MAX_REMINDERS, "items": _DURATION},
            "on_deadline": {"enum": list(AT_DEADLINE)},
        }
    )


def _override() -> Schema:
    members = _members()
    whom = {key: _WORDS | {"description": _FOR_DOCS[key]} for key in FOR_KEYS}
    change = _object({key: members[key] | {"description": _KEY_DOCS[key]} for key in CHANGEABLE})
    return _object(
        {
            "for": _object(whom, minProperties=1, description="The mail that it is about: all must match."),
            "rules": {"type": "object", "additionalProperties": change, "description": "By name."},
            "thresholds": _ref("thresholds"),
        },
        required=["for"],
        anyOf=[{"required": ["rules"]}, {"required": ["thresholds"]}],
    )
