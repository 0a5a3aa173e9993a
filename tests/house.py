"""A house for tests: real rules from YAML, a clock that is set by hand, a DNS from a zone file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from postward.house import House
from postward.mail import Mail
from postward.rules.judgement import Judgement
from postward.rules.load import load
from postward.stage import Door
from postward.state import Store
from postward.store.memory import MemoryStore
from postward.tools import Dns, Tools
from tests.dns_zone import ZoneDns

KEY = b"k" * 32
BOTH = frozenset(Door)


@dataclass(eq=False)
class SetClock:
    """A clock that stands still until it is set."""

    now: float = 1_800_000_000.0

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


@dataclass
class TestHouse:
    """The house and what it recorded."""

    __test__ = False
    house: House
    clock: SetClock
    directory: Path
    doors: frozenset[Door]
    records: list[tuple[str, Mail, Judgement]] = field(default_factory=list)

    def reload(self) -> None:
        """What SIGHUP does: other rules in the same house."""
        self.house.rules = load(self.directory, self.doors)
        tools = self.house.tools
        self.house.tools = Tools(tools.dns, tools.store, tools.clock, self.house.rules.lists)


def write_config(directory: Path, rules: str, lists: Mapping[str, str] | None = None) -> None:
    """A configuration directory with one rules file and lists."""
    (directory / "rules.d").mkdir(parents=True, exist_ok=True)
    (directory / "lists").mkdir(exist_ok=True)
    (directory / "rules.d" / "test.yml").write_text(rules)
    for name, text in (lists or {}).items():
        (directory / "lists" / f"{name}.yml").write_text(text)


def build(
    directory: Path,
    rules: str,
    lists: Mapping[str, str] | None = None,
    *,
    dns: Dns | None = None,
    store: Store | None = None,
    doors: frozenset[Door] = BOTH,
) -> TestHouse:
    """A house with these rules (write `shipped: off` to have no others)."""
    write_config(directory, rules, lists)
    clock = SetClock()
    loaded = load(directory, doors)
    tools = Tools(dns or ZoneDns(""), store or MemoryStore(), clock, loaded.lists)
    records: list[tuple[str, Mail, Judgement]] = []
    house = House(loaded, tools, lambda door, mail, judgement: records.append((door, mail, judgement)), KEY)
    return TestHouse(house, clock, directory, doors, records)
