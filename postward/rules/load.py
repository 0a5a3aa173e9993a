"""Loading: the shipped rules, the admin's rules.d/*.yml over them, the lists; all errors at once.

A rule of rules.d with the name of an earlier one changes the keys that it gives and leaves the
others, so that an upgrade of the shipped rules never overwrites a site's choice.
"""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

from postward.lists import CompiledList
from postward.rules import grammar
from postward.rules.compile import KEYS, Compiler, Site
from postward.rules.document import Document, read
from postward.rules.doubts import about_thresholds, about_whole_providers
from postward.rules.errors import ConfigErrors, Mark, Problem, did_you_mean, nearest
from postward.rules.hits import settled
from postward.rules.hold import HoldPolicy
from postward.rules.hold_keys import OLD_KEY, read_policy
from postward.rules.listfile import fill, read_list
from postward.rules.reader import Reader, Value, kind
from postward.rules.rule import Rule
from postward.rules.ruleset import Override, Ruleset
from postward.rules.thresholds import Thresholds
from postward.stage import Door

SHIPPED = Path(__file__).parent.parent / "shipped"
_SHIPPED_RULES = SHIPPED / "rules.yml"
TOP = ("shipped", "rules", "thresholds", "overrides", "holds")
OVERRIDE_KEYS = ("for", "rules", "thresholds")
FOR_KEYS = ("login", "listener", "recipient_domain", "recipient")
_RECIPIENTS = frozenset({"recipient_domain", "recipient"})
CHANGEABLE = ("mode", "with", "when", "unless", "then", "unsure", "until", "rate", "remember")
_MAX_RULES = 2_000
_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
_THRESHOLDS = tuple(Thresholds.__dataclass_fields__)

Members = dict[str, Value]


def load(directory: Path, doors: frozenset[Door], dns_lists: frozenset[str] | None = None) -> Ruleset:
    """The rules of the configuration in `directory` for these doors. Raises ConfigErrors.

    `dns_lists`: the names of all DNS lists that a rule may name; None when they are not known.
    """
    return _Loader(directory, doors, dns_lists).load()


class _Loader:
    def __init__(
        self, directory: Path, doors: frozenset[Door], dns_lists: frozenset[str] | None = None
    ) -> None:
        self.directory = directory
        self.dns_lists = dns_lists
        self.doors = doors
        self.reader = Reader()
        self.digest = hashlib.sha256(" ".join(sorted(door.value for door in doors)).encode())
        self.members: dict[str, Members] = {}
        self.wholes: dict[str, Value] = {}
        self.rules: dict[str, Rule | None] = {}
        self.thresholds: dict[str, float | None] = {}
        self.own_thresholds: dict[str, Value] = {}
        self.doubts: list[Problem] = []
        self.wide: dict[str, list[Value]] = {}
        self.overrides: list[Value] = []
        self.refused: list[tuple[Members, Value]] = []
        """Rules without a name of their own: read on only to say what else is wrong with them."""
        self.holds = HoldPolicy()

    def load(self) -> Ruleset:
        documents = self._documents(self._files(self.directory / "rules.d"))
        lists = self._lists()
        shipped = Value(True, Document(""), ())
        for document in documents:
            if isinstance(document.data, dict) and "shipped" in document.data:
                shipped = Value(document.data["shipped"], document, ("shipped",))
                self._on_or_off(shipped)
        if shipped.data is not False and shipped.data != "off":
            documents = [*self._documents([_SHIPPED_RULES]), *documents]
        for document in documents:
            self._take(document)
        compiler = Compiler(self.reader, Site(self.doors, lists, *self._varying(), self.dns_lists))
        compiled = {name: self._compiled(name, compiler) for name in self.members}
        self.rules = {
            name: rule and self._settled(rule, self.members[name], compiled)
            for name, rule in compiled.items()
        }
        for members, whole in self.refused:
            compiler.look_over(members, whole)
        overrides = [self._override(value, compiler) for value in self.overrides]
        if self.reader.problems:
            raise ConfigErrors(self.reader.problems)
        self.doubts += about_thresholds(self.thresholds, self.own_thresholds)
        rules = tuple(rule for rule in self.rules.values() if rule is not None)
        self.doubts += about_whole_providers(rules, self.wide)
        return Ruleset(
            rules=rules,
            thresholds=Thresholds(**self.thresholds),
            overrides=tuple(each for each in overrides if each is not None),
            lists=lists,
            doors=self.doors,
            digest=self.digest.hexdigest()[:16],
            holds=self.holds,
            doubts=tuple(self.doubts),
        )

    def _varying(self) -> tuple[frozenset[str], bool]:
        """Which rules overrides for some recipients change, and whether one changes thresholds."""
        about = [
            value.data
            for value in self.overrides
            if isinstance(value.data, dict)
            and isinstance(value.data.get("for"), dict)
            and not _RECIPIENTS.isdisjoint(value.data["for"])
        ]
        rules = [each["rules"] for each in about if isinstance(each.get("rules"), dict)]
        return frozenset().union(*rules), any("thresholds" in each for each in about)

    def _compiled(self, name: str, compiler: Compiler) -> Rule | None:
        """A rule; a shipped one that a site's only door cannot judge is left out unless it was changed."""
        whole = self.wholes[name]
        return compiler.rule(self.members[name], whole, optional=whole.document.file == str(_SHIPPED_RULES))

    def _settled(self, rule: Rule, members: Members, compiled: dict[str, Rule | None]) -> Rule:
        """The rule, with what its conditions say about other rules checked."""
        varying, _ = self._varying()
        return settled(rule, members, compiled, varying, self.reader)

    def _on_or_off(self, value: Value) -> None:
        if not isinstance(value.data, bool | str) or value.data not in (True, False, "on", "off"):
            self.reader.complain(value, "must be on or off")

    def _files(self, directory: Path) -> list[Path]:
        """The files of a directory, in order of their names; one that only looks like them is a problem."""
        for path in sorted(directory.glob("*.yaml")):
            mark = Mark(str(path), 1, 1)
            self.reader.problems.append(Problem(mark, (), "is not read; rename it to end in .yml"))
        found = (path for path in directory.glob("*.yml") if not path.name.startswith("."))
        return sorted(found, key=lambda path: path.stem)  # `new` before `new-too`

    def _documents(self, paths: Iterable[Path], read: Callable[[Path], Document] = read) -> list[Document]:
        documents = []
        for path in paths:
            try:
                documents.append(read(path))
            except ConfigErrors as errors:
                self.reader.problems.extend(errors.problems)
                continue
            self.reader.problems.extend(documents[-1].problems)
            self.digest.update(path.name.encode() + b"\0" + repr(documents[-1].data).encode() + b"\0")
        return documents

    def _take(self, document: Document) -> None:
        """Merge one rules file over what was read before it."""
        if document.data is None:
            return
        old = isinstance(document.data, dict) and OLD_KEY in document.data
        top = self.reader.mapping(Value(document.data, document, ()), (*TOP, OLD_KEY) if old else TOP)
        if "thresholds" in top:
            self.thresholds.update(self._thresholds(top["thresholds"]))
            if document.file != str(_SHIPPED_RULES):
                self.own_thresholds.update(_places(top["thresholds"]))
        if old:
            self.reader.problems.append(top[OLD_KEY].key_problem("is now: holds: {for: 24h}"))
        if "holds" in top:
            self.holds = read_policy(self.reader, top["holds"], self.holds)
        if "overrides" in top:
            self.overrides.extend(self.reader.items(top["overrides"]))
        seen: dict[str, Value] = {}
        for value in self.reader.items(top["rules"]) if "rules" in top else ():
            self._take_rule(value, seen)

    def _take_rule(self, value: Value, seen: dict[str, Value]) -> None:
        members = self.reader.mapping(value, KEYS)
        name = self._new_name(value, members, seen)
        if name is None:
            self.refused.append((members, value))
            return
        if len(self.members) >= _MAX_RULES:
            self.reader.complain(value, f"more than {_MAX_RULES} rules")
            return
        seen[name] = value
        self.wholes[name] = value
        held = self.members.setdefault(name, {})
        if "check" in members and "check" in held and members["check"].data != held["check"].data:
            for key in ("with", "reason", "remedy"):  # they are about another check
                held.pop(key, None)
        held.update(members)

    def _new_name(self, value: Value, members: Members, seen: dict[str, Value]) -> str | None:
        """The name of a rule that is new in its file, and new or with a check among all."""
        if "name" not in members:
            if isinstance(value.data, dict):
                self.reader.complain(value, "needs name:")
            return None
        name = self._name(members["name"])
        if name is None:
            return None
        if name in seen:
            line = seen[name].document.mark(seen[name].path).line
            self.reader.complain(
                members["name"], f"the name {name} stands twice (first in line {line}); rename one"
            )
            return None
        if "check" not in members and name not in self.members:
            near = nearest(name, tuple(self.members))
            self.reader.complain(value, f"needs check:, or the name of a rule that it changes{near}")
            return None
        return name

    def _name(self, value: Value) -> str | None:
        name = self.reader.text(value)
        if name is None:
            return None
        if not _NAME.issuperset(name) or len(name) > 48 or name.startswith("-"):
            self.reader.complain(value, "must be small letters, digits and hyphens, at most 48")
            return None
        return name

    def _thresholds(self, value: Value) -> dict[str, float | None]:
        numbers: dict[str, float | None] = {}
        for name, member in self.reader.mapping(value, _THRESHOLDS).items():
            if member.data is None or member.data == "off":
                numbers[name] = None
            elif isinstance(member.data, bool | str | list | dict):
                self.reader.complain(member, f"must be a number or off, not {kind(member.data)}")
            else:
                numbers[name] = self.reader.number(member, -grammar.MAX_SCORE, grammar.MAX_SCORE)
        return numbers

    def _override(self, value: Value, compiler: Compiler) -> Override | None:
        members = self.reader.mapping(value, OVERRIDE_KEYS)
        if "for" not in members:
            if isinstance(value.data, dict):
                self.reader.complain(value, "needs for:, the mail that it is about")
            return None
        before = len(self.reader.problems)
        who = self.reader.mapping(members["for"], FOR_KEYS)
        words = {key: self.reader.words(member) for key, member in who.items()}
        if not words and len(self.reader.problems) == before:
            self.reader.complain(members["for"], f"must name one of {', '.join(FOR_KEYS)}")
        if not any(words.values()):
            return None
        domains: tuple[str, ...] = ()
        if "recipient_domain" in who:
            domains = grammar.domains(self.reader, who["recipient_domain"], words["recipient_domain"])
        if "rules" not in members and "thresholds" not in members:
            self.reader.complain(value, "changes nothing; give it rules: or thresholds:")
        thresholds = self._thresholds(members["thresholds"]) if "thresholds" in members else {}
        if thresholds:
            together = {**self.thresholds, **thresholds}
            self.doubts += about_thresholds(together, _places(members["thresholds"]))
        return Override(
            logins=frozenset(words.get("login", ())),
            listeners=frozenset(words.get("listener", ())),
            recipients=frozenset(word.lower() for word in words.get("recipient", ())),
            domains=frozenset(domains),
            rules=self._changed(members["rules"], compiler) if "rules" in members else (),
            thresholds=thresholds,
        )

    def _changed(self, value: Value, compiler: Compiler) -> tuple[Rule, ...]:
        """The rules that an override changes, compiled as they are then."""
        changed = []
        for name, change in self.reader.mapping(value).items():
            if name not in self.members:
                known = did_you_mean(name, tuple(self.members))
                self.reader.problems.append(change.key_problem(f"there is no rule {name}{known}"))
                continue
            members = {**self.members[name], **self.reader.mapping(change, CHANGEABLE)}
            if self.rules[name] is None:  # what is wrong with it was said already
                continue
            rule = compiler.rule(members, change)
            if rule is not None:
                changed.append(self._settled(rule, members, self.rules))
        return tuple(changed)

    def _lists(self) -> dict[str, CompiledList]:
        """The shipped lists, and the admin's over them, by file name."""
        paths = {path.stem: path for path in self._files(SHIPPED / "lists")}
        paths.update({path.stem: path for path in self._files(self.directory / "lists")})
        lists: dict[str, CompiledList] = {}
        for name, path in sorted(paths.items()):
            lists[name] = CompiledList(name)
            for document in self._documents([path], read_list):
                self.wide[name] = fill(self.reader, lists[name], document)
        return lists


def _places(thresholds: Value) -> dict[str, Value]:
    """Where each threshold stands."""
    return (
        {name: thresholds.at(name) for name in thresholds.data} if isinstance(thresholds.data, dict) else {}
    )
