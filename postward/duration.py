"""Durations in rules: whole seconds as a number (`300`), or a number with its unit (`5m`, `12h`, `35d`)."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic_core import CoreSchema

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_MOST_DIGITS = 9
_PATTERN = r"^[0-9]{1,9}[smhdw]$"
_DURATION = re.compile(r"([0-9]{1,9})([smhdw])\Z")


def whole_seconds(value: Any) -> Any:
    """`5m` in seconds; what is no text is given back as it is. Raises ValueError."""
    if not isinstance(value, str):
        return value
    match = _DURATION.match(value)
    if match is None:
        if len(value) > _MOST_DIGITS and value[:-1].isdecimal() and value[-1] in UNITS:
            raise ValueError(f"too long; at most {_MOST_DIGITS} digits and a unit, such as 36500d")
        raise ValueError("must be a duration such as 300, 300s, 5m, 12h or 35d")
    return int(match[1]) * UNITS[match[2]]


@dataclass(frozen=True, slots=True)
class _Spelt:
    """An `Annotated` mark: this number of seconds may be written as a duration."""

    def __get_pydantic_core_schema__(self, source: Any, handler: "GetCoreSchemaHandler") -> "CoreSchema":
        from pydantic_core import core_schema

        return core_schema.no_info_before_validator_function(whole_seconds, handler(source))

    def __get_pydantic_json_schema__(
        self, core: "CoreSchema", handler: "GetJsonSchemaHandler"
    ) -> dict[str, Any]:
        return {"anyOf": [handler(core), {"type": "string", "pattern": _PATTERN}]}


DURATION = _Spelt()
