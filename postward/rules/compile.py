"""From the merged members of a rule to a compiled rule, placed at the one door that judges it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from postward.checks import Check, Cost
from postward.checks.registry import CHECKS
from postward.finding import CLEAR
from postward.mail import FACTS
from postward.rules import clients, grammar
from postward.rules.conditions import Condition
from postward.rules.errors import did_you_mean
from postward.rules.judgement import Judged
from postward.rules.options import check_with
from postward.rules.outcomes import WATCH, Outcome
from postward.rules.parts import Parts
from postward.rules.place import for_one, stage_at
from postward.rules.reader import Reader, Value
from postward.rules.rule import Gate, Mode, Phase, Rule
from postward.rules.text import PLACEHOLDERS, Template
from postward.stage import Door, Stage

KEYS = (
    "name", "check", "with", "when", "unless", "then", "unsure",
    "mode", "until", "at", "stage", "reason", "remedy", "rate", "remember",
)  # fmt: skip
_STAGES = tuple(stage.word for stage in Stage)
_DOORS = tuple(door.value for door in Door)
_MAX_RATE = 100.0
_ALL_SAY = {name: text for check in CHECKS.values() for name, text in check.says.items()}


@dataclass(frozen=True, slots=True)
class Site:
    """What rules are compiled against: which doors are in use, which lists there are."""

    doors: frozenset[Door]
    lists: Mapping[str, Any]
    varying: frozenset[str] = frozenset()
    """The rules that an override for some recipients changes."""
    scores_vary: bool = False
    """An override for some recipients has thresholds of its own."""
    dns_lists: frozenset[str] | None = None
    """The names of all DNS lists; None when they are not known."""


class Compiler:
    """Compiles rules one by one; `looks` numbers equal checks alike, so that each is asked once."""

    def __init__(self, reader: Reader, site: Site) -> None:
        self.reader = reader
        self.site = site
        self._looks: dict[Check, int] = {}
        self._gates: dict[object, Gate] = {}
        self._order: dict[str, int] = {}

    def rule(self, members: Mapping[str, Value], whole: Value, optional: bool = False) -> Rule | None:
        """The compiled rule, or None when something is wrong with it (every problem is noted).

        `optional`: a rule that no door in use can judge is left out, and that is no problem.
        """
        before = len(self.reader.problems)
        if "check" not in members:
            self.reader.complain(whole, "needs check:")
        if "then" not in members:
            self.reader.complain(whole, "needs then:")
        parts = self._parts(members, whole)
        self._ever_asked(parts, members)
        place = self._place(parts, members, whole, optional)
        check, then, mode = parts.check, parts.then, parts.mode
        if len(self.reader.problems) > before or place is None or not check or not then or not mode:
            return None
        door, stage = place
        name = str(members["name"].data)
        return Rule(
            name=name,
            order=self._order.setdefault(name, len(self._order)),
            check=check,
            look_key=self._looks.setdefault(check, len(self._looks)),
            gate=self._gate(parts),
            then=then,
            unsure=parts.unsure or WATCH,
            mode=mode[0],
            share=mode[1],
            door=door,
            stage=stage,
            phase=_phase(check, then, parts.conditions),
            per_recipient=for_one(parts, stage, self._varies(parts, members)),
            of_client=clients.is_about_one(check),
            of_domain=clients.is_about_domain(check),
            idle=self._is_idle(check),
            reason=parts.reason,
            remedy=parts.remedy,
            rate=parts.rate,
            remember=parts.remember,
            clear=Judged(name, check.name, CLEAR, "", 0.0, mode[0].value, 0.0),
        )

    def look_over(self, members: Mapping[str, Value], whole: Value) -> None:
        """Note what is wrong with the keys of a rule that is refused already; none may be missing."""
        self._place(self._parts(members, whole), members, whole, optional=False)

    def _parts(self, members: Mapping[str, Value], whole: Value) -> Parts:
        """What the members say, each read whatever is wrong with the others."""
        before = len(self.reader.problems)
        kind = self._kind(members)
        return Parts(
            kind=kind,
            check=self._check(kind, members, whole),
            when=self._conditions(members, "when"),
            unless=self._conditions(members, "unless"),
            then=self._outcome(members, "then"),
            unsure=self._outcome(members, "unsure"),
            wanted=self._wanted(members),
            sure=len(self.reader.problems) == before,
            mode=grammar.mode(self.reader, members["mode"]) if "mode" in members else (Mode.ENFORCE, 1.0),
            until=grammar.until(self.reader, members["until"]) if "until" in members else None,
            reason=self._text(members, "reason", kind),
            remedy=self._text(members, "remedy", kind),
            rate=self._rate(members),
            remember=grammar.remember(self.reader, members["remember"]) if "remember" in members else None,
        )

    def _place(
        self, parts: Parts, members: Mapping[str, Value], whole: Value, optional: bool
    ) -> tuple[Door, Stage] | None:
        """Where the rule is judged; noted when nowhere.

        Also asked when something is wrong with the rule: what is not known can only take away
        reasons why a door cannot judge it.
        """
        if parts.kind is None:
            return None
        placed = self._placed(parts, self._varies(parts, members))
        if isinstance(placed, str):
            if not optional:
                self._misplaced(members, whole, placed, parts.wanted[0])
            return None
        if parts.sure:  # else the stage may be a later one
            texts = (("reason", parts.reason), ("remedy", parts.remedy))
            self._texts_in_time(members, texts, *placed, parts.needs)
        return placed

    def _kind(self, members: Mapping[str, Value]) -> type[Any] | None:
        """The class of the rule's check."""
        name = self.reader.word(members["check"], tuple(CHECKS)) if "check" in members else None
        return CHECKS[name] if name is not None else None

    def _check(self, kind: type[Any] | None, members: Mapping[str, Value], whole: Value) -> Check | None:
        """The check with the rule's options."""
        if kind is None:
            return None
        options = members.get("with", Value({}, whole.document, whole.path))
        check = check_with(self.reader, kind.name, options)
        if check is not None:
            self._lists_exist(check, options)
        return check

    def _lists_exist(self, check: Check, options: Value) -> None:
        for name in sorted(getattr(check, "lists", ())):
            place = options.at("list") if "list" in options.data else options
            grammar.list_exists(self.reader, place, name, self.site.lists)
        known = self.site.dns_lists
        for index, name in enumerate(getattr(check, "dns_lists", ())):
            if known is not None and name not in known:
                near = did_you_mean(name, tuple(known))
                self.reader.complain(options.at("only").at(index), f"there is no DNS list {name}{near}")

    def _conditions(self, members: Mapping[str, Value], key: str) -> tuple[Condition, ...]:
        if key not in members:
            return ()
        return grammar.conditions(self.reader, members[key], self.site.lists)

    def _ever_asked(self, parts: Parts, members: Mapping[str, Value]) -> None:
        wanted = set(map(_content, parts.when))
        for word in dict.fromkeys(each.word for each in parts.unless if _content(each) in wanted):
            self.reader.complain(members["unless"], f"{word} stands in when: too; such a rule is never asked")

    def _outcome(self, members: Mapping[str, Value], key: str) -> Outcome | None:
        return grammar.outcome(self.reader, members[key]) if key in members else None

    def _is_idle(self, check: Check) -> bool:
        """Whether all its lists are there and empty."""
        names = getattr(check, "lists", ())
        lists = [self.site.lists.get(name) for name in names]
        return bool(lists) and all(each is not None and each.empty for each in lists)

    def _rate(self, members: Mapping[str, Value]) -> float:
        """The points of `rate:`."""
        return self.reader.number(members["rate"], -_MAX_RATE, _MAX_RATE) or 0.0 if "rate" in members else 0.0

    def _text(self, members: Mapping[str, Value], key: str, kind: type[Any] | None) -> Template | None:
        """A text; that of an unknown check may use the names of all."""
        if key not in members:
            return None
        return grammar.text(self.reader, members[key], kind.says if kind is not None else _ALL_SAY)

    def _gate(self, parts: Parts) -> Gate | None:
        """The gate of these conditions, one object for all rules that have them."""
        if not parts.conditions and parts.until is None:
            return None
        key = (tuple(map(_content, parts.when)), tuple(map(_content, parts.unless)), parts.until)
        return self._gates.setdefault(key, Gate(parts.when, parts.unless, parts.until))

    def _wanted(self, members: Mapping[str, Value]) -> tuple[Door | None, Stage | None]:
        door = self.reader.word(members["at"], _DOORS) if "at" in members else None
        stage = self.reader.word(members["stage"], _STAGES) if "stage" in members else None
        return Door(door) if door else None, Stage[stage.upper()] if stage else None

    def _varies(self, parts: Parts, members: Mapping[str, Value]) -> bool:
        """Whether overrides make the rule, or what its score leads to, differ between recipients."""
        if "name" in members and members["name"].data in self.site.varying:
            return True
        scores = any(outcome.score for outcome in parts.outcomes)
        return scores and self.site.scores_vary and parts.wanted[1] is None

    def _placed(self, parts: Parts, varies: bool) -> tuple[Door, Stage] | str:
        """Door and stage of a rule: the first door in use that can, or the one of `at:`. Text: why none."""
        why: list[str] = []
        for door in Door:
            if door not in self.site.doors or parts.wanted[0] not in (None, door):
                continue
            stage_or_why = stage_at(door, parts, varies, len(self.site.doors) > 1)
            if isinstance(stage_or_why, Stage):
                return door, stage_or_why
            why.append(f"{door.value}: {stage_or_why}")
        return "; ".join(why)

    def _misplaced(self, members: Mapping[str, Value], whole: Value, why: str, wanted: Door | None) -> None:
        if wanted is not None and wanted not in self.site.doors:
            self.reader.complain(members["at"], f"{wanted.value} is not among the doors in use")
            return
        mine = [members[key] for key in ("at", "stage", "then") if key in members]
        place = next((value for value in mine if value.document is whole.document), whole)
        self.reader.complain(place, f"no door can judge this rule ({why})")

    def _texts_in_time(
        self,
        members: Mapping[str, Value],
        texts: tuple[tuple[str, Template | None], ...],
        door: Door,
        stage: Stage,
        needs: frozenset[str],
    ) -> None:
        """A text may use only what is known when the rule is judged."""
        for key, text in texts:
            for _, name in text.parts if text is not None else ():
                fact = PLACEHOLDERS[name][0] if name in PLACEHOLDERS else None
                if fact is None or fact in needs:
                    continue
                known = FACTS[fact].stage(door)
                if fact == "recipient":
                    why = "is known only to a rule that looks at the recipient; take it out"
                elif known is None:
                    why = f"is never known to {door.value}; take it out"
                elif known > stage:
                    why = f"is not known at stage {stage.word}; write stage: {known.word}, or take it out"
                else:
                    continue
                self.reader.complain(members[key], f"{{{name}}} {why}")


def _content(condition: Condition) -> tuple[str, str]:
    return condition.word, condition.argument


def _phase(check: Check, then: Outcome, conditions: tuple[Condition, ...]) -> Phase:
    weighs = any(condition.by_score for condition in conditions)
    if then.word == "accept" and not weighs:
        return Phase.ACCEPT
    if then.word == "hold":
        return Phase.HOLD
    if check.cost in (Cost.DELAY, Cost.STATE):
        return Phase.DELAY if check.cost is Cost.DELAY else Phase.STATE
    if weighs or check.cost is Cost.LATE:
        return Phase.WEIGHED
    return Phase.MEMORY if check.cost is Cost.MEMORY else Phase.LOOKUP
