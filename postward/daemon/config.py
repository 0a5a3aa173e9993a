"""`postward.yml`: the settings of the daemons, read once at start and again when they reload.

Everything has a default, so that an empty or absent file is a working configuration. All that is
wrong is said at once, each with `file:line:column: path: what is wrong`. Rules and lists stand in
files of their own (`postward.rules.load`).
"""

import socket
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from postward.address import normal_domain
from postward.daemon import holds
from postward.daemon.dnslists import DnsLists, section_at
from postward.daemon.units import Listen, ListenAddress, Octets, Seconds, ServerAddress, SocketMode
from postward.rules.document import Document, read
from postward.rules.errors import ConfigErrors, Mark, Problem, did_you_mean
from postward.stage import Door
from postward.store.standing import HALF_LIFE

FILE_NAME = "postward.yml"
DEFAULT_DIRECTORY = Path("/etc/postward")


def _domain(text: str) -> str:
    domain = normal_domain(text)
    if domain is None or domain.startswith("["):
        raise ValueError("not a domain name")
    return domain


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("write an absolute path")
    return path


def _listens(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Domain = Annotated[str, AfterValidator(_domain)]
FilePath = Annotated[Path, AfterValidator(_absolute)]
Listens = Annotated[tuple[ListenAddress, ...], BeforeValidator(_listens), Field(min_length=1, max_length=16)]


def _below(most: float, timeout: str) -> AfterValidator:
    """A deadline that leaves Postfix, which waits for `timeout`, time to hear the answer."""

    def check(seconds: float) -> float:
        if not 0 < seconds <= most:
            raise ValueError(f"must be above 0s and up to {most:g}s: Postfix waits {timeout}")
        return seconds

    return AfterValidator(check)


PolicydDeadline = Annotated[Seconds, _below(9, "10s (the service's timeout in main.cf)")]
MilterDeadline = Annotated[Seconds, _below(50, "60s (the milter's timeouts in main.cf)")]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class PolicydSection(_Section):
    """The policy service."""

    listen: Listens = (Listen(path="/var/spool/postfix/postward/policyd"),)
    socket_mode: SocketMode = 0o660
    connections: Annotated[int, Field(ge=1, le=65536)] = 500
    idle: Annotated[Seconds, Field(ge=1, le=86400)] = 330.0  # Postfix drops idle ones after 300 s
    deadline: PolicydDeadline = 4.5


class MilterSection(_Section):
    """The milter. `connections`: of each worker."""

    listen: Listens = (Listen(path="/var/spool/postfix/postward/milter"),)
    socket_mode: SocketMode = 0o660
    transport: Literal["asyncio", "libmilter"] = "asyncio"
    workers: Annotated[int, Field(ge=1, le=64)] = 2
    connections: Annotated[int, Field(ge=1, le=65536)] = 500
    deadline: MilterDeadline = 15.0
    idle: Annotated[Seconds, Field(ge=1, le=86400)] = 300.0
    on_trouble: Literal["tempfail", "accept", "reject"] = "tempfail"
    authentication_results: bool = True
    verdict_header: bool = True


class DnsSection(_Section):
    """Look-ups. No servers: those of /etc/resolv.conf."""

    servers: Annotated[tuple[ServerAddress, ...], Field(max_length=8)] = ()
    timeout: Annotated[Seconds, Field(gt=0, le=30)] = 1.5
    attempts: Annotated[int, Field(ge=1, le=5)] = 2
    cache: Annotated[int, Field(ge=100, le=5_000_000)] = 20_000


class NetworksSection(_Section):
    """Local databases of networks, for AS numbers in lists; none by default. The first that knows wins."""

    asn_file: Annotated[tuple[FilePath, ...], BeforeValidator(_listens), Field(max_length=8)] = ()


class StoreSection(_Section):
    """Greylist, counters and holds."""

    kind: Literal["sqlite", "memory"] = "sqlite"
    path: FilePath = Path("/var/lib/postward/state.db")


GivenPoints = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]


class RatingsSection(_Section):
    """How soon half of a rating is forgotten, and what each outcome adds (`postward.outcomes.Points`)."""

    half_life: Annotated[Seconds, Field(ge=3_600, le=400 * 86_400)] = HALF_LIFE
    accepted: GivenPoints = 0.2
    deferred: GivenPoints = 0.0
    rejected: GivenPoints = -1.0
    listed: GivenPoints = -0.5
    ham: GivenPoints = 0.2
    spam: GivenPoints = -2.0
    virus: GivenPoints = -6.0
    dmarc_fail: GivenPoints = -1.0
    bounced: GivenPoints = -0.2
    complaint: GivenPoints = -3.0


class JournalSection(_Section):
    """The record of decisions: a directory."""

    path: FilePath = Path("/var/lib/postward/journal")
    keep: Annotated[Seconds, Field(ge=60)] = 30 * 86400.0
    max_size: Annotated[Octets, Field(ge=1_000_000)] = 500_000_000
    pseudonymise: bool = False


class LogSection(_Section):
    """Log lines on standard error."""

    format: Literal["text", "json"] = "text"
    level: Literal["debug", "info", "warning", "error"] = "info"


_MESSAGES = {
    "model_type": "must hold keys and values",
    "model_attributes_type": "must hold keys and values",
    "tuple_type": "must be a list",
    "frozen_set_type": "must be a list",
    "too_short": "must hold at least one",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text",
}


def _journal(value: Any) -> Any:
    return None if value == "off" else value


class Settings(_Section):
    """All of `postward.yml`."""

    authserv_id: Domain = Field(default_factory=lambda: normal_domain(socket.gethostname()) or "localhost")
    own_domains: Annotated[frozenset[Domain], Field(max_length=100_000)] = frozenset()
    run_dir: FilePath = Path("/run/postward")
    doors: Annotated[frozenset[Door], Field(min_length=1)] = frozenset(Door)
    policyd: PolicydSection = PolicydSection()
    milter: MilterSection = MilterSection()
    dns: DnsSection = DnsSection()
    dns_lists: DnsLists = Field(default_factory=dict)
    networks: NetworksSection = NetworksSection()
    store: StoreSection = StoreSection()
    ratings: RatingsSection = RatingsSection()
    journal: Annotated[JournalSection | None, BeforeValidator(_journal)] = JournalSection()
    notify: holds.NotifySection = holds.NotifySection()
    rdap: holds.RdapSection = holds.RdapSection()
    findings_key: FilePath = Path("/var/lib/postward/findings.key")
    log: LogSection = LogSection()


def load_settings(directory: Path) -> Settings:
    """The settings in `directory`/postward.yml. Raises ConfigErrors."""
    file = directory / FILE_NAME
    if not directory.is_dir():
        raise ConfigErrors([Problem(Mark(str(directory), 1, 1), (), "there is no such directory")])
    document = read(file) if file.exists() else Document(str(file))
    return settings_of(document)


def settings_of(document: Document) -> Settings:
    """The settings that a document holds. Raises ConfigErrors."""
    problems = list(document.problems)
    settings = Settings()
    try:
        if document.data is not None:
            settings = Settings.model_validate(document.data)
    except ValidationError as error:
        found = (_problem(document, detail) for detail in error.errors())
        problems += (each for each in found if each.path not in document.broken)
    if problems:
        raise ConfigErrors(problems)
    return settings


def _problem(document: Document, detail: ErrorDetails) -> Problem:
    path = _path_in(document, detail["loc"])
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        word = str(path[-1])
        fields = _section_at(path[:-1]).model_fields
        known = [field.alias or name for name, field in fields.items()]
        return Problem(document.key_mark(path), path, f"unknown key{did_you_mean(word, known)}")
    if detail["loc"][-1:] == ("[key]",):
        return Problem(document.key_mark(path), path, str(context.get("error", "is not allowed here")))
    if kind == "missing":
        return document.problem(path, f"needs {detail['loc'][-1]}")
    if kind == "value_error":
        return document.problem(path, str(context["error"]))
    if kind in ("literal_error", "enum"):
        return document.problem(path, f"must be one of: {context['expected']}")
    if kind in _MESSAGES:
        return document.problem(path, _MESSAGES[kind])
    return document.problem(path, "must be " + detail["msg"].removeprefix("Input should be "))


def _path_in(document: Document, loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """`loc` without steps that the document does not have (members of a set come without order)."""
    path: tuple[str | int, ...] = ()
    value = document.data
    for step in loc:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            break
        path += (step,)
    return path


def _section_at(path: tuple[str | int, ...]) -> type[BaseModel]:
    if path[:1] == ("dns_lists",):
        return section_at(path[2:])
    if path[:1] in (("notify",), ("rdap",)):
        return holds.section_at(path)
    return type(getattr(Settings(), str(path[0]))) if path else Settings
