"""The options of a check (`with:`): from values to the frozen dataclass that is asked.

pydantic validates them in strict mode and as JSON, so that a list may stand for a tuple, but neither
"300" nor true for a number. What it complains of is put into an admin's words here.
"""

import json
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from postward.checks import Check
from postward.checks.registry import CHECKS
from postward.rules.errors import did_you_mean
from postward.rules.reader import Reader, Value, kind

_TEXTS = {
    "tuple_type": "must be a list such as [a, b]",
    "frozen_set_type": "must be a list such as [a, b]",
    "dataclass_type": "must be a mapping such as {key: value}",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
}


@cache
def adapter(name: str) -> TypeAdapter[Check]:
    """The validator of a check's options."""
    return TypeAdapter(CHECKS[name])


@cache
def options_schema(name: str) -> dict[str, Any]:
    """JSON Schema of a check's options."""
    return adapter(name).json_schema()


def check_with(reader: Reader, name: str, options: Value) -> Check | None:
    """The check `name` with these options, or None when something is wrong with them."""
    if not isinstance(options.data, dict):
        reader.mapping(options)
        return None
    before = len(reader.problems)
    schema = options_schema(name)
    given = _known_keys(reader, options, schema, schema.get("$defs", {}), f"option of {name}")
    try:
        check = adapter(name).validate_json(json.dumps(given), strict=True)
    except ValidationError as error:
        for each in error.errors():
            _complain(reader, options, each, name)
        return None
    return check if len(reader.problems) == before else None


def _known_keys(reader: Reader, value: Value, schema: Any, defs: Any, what: str) -> Any:
    """The value without keys that the schema does not know; each of those is a problem."""
    schema = defs.get(str(schema.get("$ref", "")).rpartition("/")[2], schema)
    if isinstance(value.data, list) and "items" in schema:
        items = (value.at(index) for index in range(len(value.data)))
        return [_known_keys(reader, item, schema["items"], defs, "key") for item in items]
    if not isinstance(value.data, dict) or ("properties" not in schema and schema.get("type") != "object"):
        return value.data
    known = schema.get("properties", {})
    for key in value.data.keys() - known.keys():
        near = did_you_mean(key, tuple(known)) if known else "; it takes none"
        reader.problems.append(value.at(key).key_problem(f"unknown {what}{near}"))
    return {
        key: _known_keys(reader, value.at(key), known[key], defs, "key") for key in value.data if key in known
    }


def _complain(reader: Reader, options: Value, error: ErrorDetails, name: str) -> None:
    *outer, last = error["loc"] or ("",)
    at = options
    for step in outer:
        at = at.at(step)
    if error["type"] == "missing":
        reader.complain(at, f"{name} needs the option {last}" if at is options else f"needs {last}")
        return
    at = at.at(last) if error["loc"] else at
    text = _text(error, at.data)
    if text:
        reader.complain(at, text)


def _text(error: ErrorDetails, data: Any) -> str:
    """What is wrong, in an admin's words; empty for what only follows from another error."""
    context = error.get("ctx", {})
    match error["type"]:
        case "value_error":
            return str(context["error"])
        case "literal_error":
            return f"must be {str(context['expected']).replace(chr(39), '')}"
        case "too_short":
            return "must name at least one" if not data else ""
        case "too_long":
            return f"must hold at most {context['max_length']}, not {context['actual_length']}"
        case "greater_than_equal":
            return f"must be {context['ge']} or more"
        case "less_than_equal":
            return f"must be {context['le']} or less"
        case "int_type" if isinstance(data, float):
            return f"must be a whole number, not {data:g}"
        case known if known in _TEXTS:
            return f"{_TEXTS[known]}, not {kind(data)}"
        case _:
            return "must be " + error["msg"].removeprefix("Input should be ")
