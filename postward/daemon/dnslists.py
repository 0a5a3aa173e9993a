"""The section `dns_lists` of postward.yml: what the site says of each list, over what is shipped.

A shipped list is switched on with `NAME: on`, or a mapping that changes what it gives. Any other name
is a list of the site's own and must say its zone, what it is asked about, and its codes.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from postward.address import normal_domain
from postward.daemon.units import Seconds
from postward.dnslists import public
from postward.dnslists.definition import HIDDEN, Code, Definition, pattern, points
from postward.rules.document import read
from postward.rules.errors import ConfigErrors, nearest
from postward.rules.load import SHIPPED
from postward.stage import Door

KEY = "{key}"
_SHIPPED_LISTS = SHIPPED / "dns-lists.yml"
_LABEL = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
_SWITCH = {"on": True, "off": False, True: True, False: False}
_MAX_NAME = 40


def _one_or_several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _zone(text: str) -> str:
    if normal_domain(text.replace(KEY, "key")) != text.replace(KEY, "key").lower() or "." not in text:
        raise ValueError("not a domain name; write it without final dot, with {key} where the key goes")
    return text.lower()


def _key(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not 0 < len(text) <= 63 or not _LABEL.issuperset(text.lower()):
        raise ValueError("must be one label of a domain name (letters, digits, hyphens)")
    return secret


def _point(text: str) -> str:
    if normal_domain(text) != text.lower():
        raise ValueError("write an address or a domain name")
    return text.lower()


def _refusal(text: str) -> str:
    return pattern(text).text


def _code(text: str) -> str:
    if pattern(text).text == "127.0.0.1":
        raise ValueError("127.0.0.1 is no listing: lists that are broken answer that")
    return text


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class CodeSection(_Section):
    """What one answer means. A score of 0: nothing."""

    score: Annotated[float, Field(ge=-100, le=100)]
    means: Annotated[str, Field(min_length=1, max_length=60)]


class TestSection(_Section):
    """What the list must have, and must not."""

    listed: Annotated[tuple[Annotated[str, AfterValidator(_point)], ...], Field(min_length=1, max_length=5)]
    clear: Annotated[tuple[Annotated[str, AfterValidator(_point)], ...], Field(max_length=5)] = ()


class ListSection(_Section):
    """One list, complete."""

    on: bool
    zone: Annotated[str, AfterValidator(_zone)]
    keyed_zone: Annotated[str, AfterValidator(_zone)] | None = None
    key: Annotated[SecretStr, AfterValidator(_key)] | None = None
    about: Annotated[
        frozenset[Literal["client", "helo", "rdns", "sender"]],
        BeforeValidator(_one_or_several),
        Field(min_length=1),
    ]
    codes: Annotated[
        dict[Annotated[str, AfterValidator(_code)], CodeSection], Field(min_length=1, max_length=256)
    ]
    refusals: Annotated[tuple[Annotated[str, AfterValidator(_refusal)], ...], Field(max_length=16)] = ()
    names: Literal["org", "name", "both"] = "org"
    test: TestSection | None = None
    within: Annotated[Seconds, Field(gt=0, le=5)] = 2.0
    ipv6: bool = True
    terms: str = ""

    @model_validator(mode="before")
    @classmethod
    def _whole(cls, value: Any) -> Any:
        if isinstance(value, str):  # from over_shipped
            raise ValueError(value)
        return value

    @model_validator(mode="after")
    def _key_fits(self) -> "ListSection":
        if self.on and self.key is None and KEY in self.zone:
            raise ValueError("needs key: the zone has {key} in it")
        if self.key is not None and KEY not in self._template:
            raise ValueError("a key is given, but no zone has {key} in it; write keyed_zone: with it")
        return self

    @property
    def _template(self) -> str:
        return self.keyed_zone if self.key is not None and self.keyed_zone else self.zone

    def definition(self, name: str) -> Definition:
        """The list as it is asked."""
        key = self.key.get_secret_value().lower() if self.key is not None else ""
        listed, clear = points(frozenset(self.about))
        return Definition(
            name=name,
            about=frozenset(self.about),
            codes=tuple(Code(pattern(text), code.score, code.means) for text, code in self.codes.items()),
            zone=self._template.replace(KEY, HIDDEN),
            asked_zone=self._template.replace(KEY, key),
            key=key,
            names=self.names,
            refusals=tuple(pattern(text) for text in self.refusals),
            listed=self.test.listed if self.test else listed,
            clear=self.test.clear if self.test else clear,
            within=self.within,
            ipv6=self.ipv6,
        )


def section_at(path: tuple[str | int, ...]) -> type[BaseModel]:
    """What a mapping at `path` within a list is read as."""
    inner: dict[str | int, type[BaseModel]] = {"codes": CodeSection, "test": TestSection}
    return inner[path[0]] if path else ListSection


@cache
def shipped() -> Mapping[str, Mapping[str, Any]]:
    """The lists that Postward knows, as their file has them. Do not change."""
    document = read(_SHIPPED_LISTS)
    if document.problems:  # the package is damaged
        raise ConfigErrors(document.problems)
    data: Mapping[str, Mapping[str, Any]] = document.data
    return data


def over_shipped(section: Any) -> Any:
    """The section with each of its lists complete, for pydantic to judge. Raises ValueError."""
    if not isinstance(section, dict):
        raise ValueError("must hold keys and values, such as {mailspike: on}")
    return {name: _complete(name, said) for name, said in section.items()}


def _complete(name: str, said: Any) -> Any:
    """What the site says of one list over what is shipped of it; text says what is wrong."""
    known = shipped().get(name)
    if not isinstance(said, dict):
        if isinstance(said, list) or said not in _SWITCH:
            return "must be on, off, or hold keys and values"
        if known is None:
            near = nearest(name, list(shipped()))
            return f"no list of that name is shipped{near}; one of your own needs zone, about and codes"
        return {**known, "on": _SWITCH[said]}
    whole = {"on": True, **(known or {}), **said}
    if isinstance(whole["on"], str):
        whole["on"] = _SWITCH.get(whole["on"], whole["on"])
    if known and isinstance(said.get("codes"), dict):
        whole["codes"] = {**known["codes"], **said["codes"]}
    return whole


def _name(text: str) -> str:
    if not 0 < len(text) <= _MAX_NAME or not _LABEL.issuperset(text):
        raise ValueError(f"a list's name is made of a-z, 0-9 and hyphens, at most {_MAX_NAME}")
    return text


DnsLists = Annotated[
    dict[Annotated[str, AfterValidator(_name)], ListSection],
    BeforeValidator(over_shipped),
    Field(max_length=200),
]
"""The lists that postward.yml speaks of, by name."""


def definitions(lists: Mapping[str, ListSection]) -> tuple[Definition, ...]:
    """Those that are switched on."""
    return tuple(section.definition(name) for name, section in lists.items() if section.on)


def doubts(
    lists: Mapping[str, ListSection], servers: Sequence[tuple[str, int]], doors: frozenset[Door]
) -> tuple[str, ...]:
    """What is allowed, but will not work: `servers` are the resolvers that lists are asked through."""
    if not any(section.on for section in lists.values()):
        return ()
    if Door.POLICYD not in doors:
        return ("DNS lists are asked by policyd only, which is not among the doors: none is asked",)
    return public.doubts(servers)
