"""What may stand in a configuration and yet is surely not meant: said as a warning, never refused."""

from collections.abc import Iterable, Mapping, Sequence

from postward.rules.errors import Problem
from postward.rules.reader import Value
from postward.rules.rule import Mode, Rule

_REFUSING = ("defer", "reject")
_MILDER = {"defer": ("greylist", "tag", "quarantine"), "reject": ("greylist", "tag", "quarantine", "defer")}

Numbers = Mapping[str, float | None]
Places = Mapping[str, Value]


def about_thresholds(numbers: Numbers, given: Places) -> list[Problem]:
    """Doubts about thresholds that hold together; `given` are those that the admin wrote, and where.

    No score can be greeted by a milder threshold once a refusal begins at a lower one.
    """
    doubts = []
    for name, place in given.items():
        number = numbers.get(name)
        if number is not None and number <= 0:
            doubts.append(
                place.problem(f"{number:g} is reached by every mail, also by one that scores nothing")
            )
    for refusing in _REFUSING:
        least = numbers.get(refusing)
        for name in _MILDER[refusing] if least is not None else ():
            number = numbers.get(name)
            blamed = given.get(name, given.get(refusing))
            if number is not None and least is not None and blamed is not None and number >= least:
                why = f"{name}: {number:g} is never reached, for {refusing}: {least:g} comes first"
                doubts.append(blamed.problem(why))
    return doubts


def about_whole_providers(rules: Iterable[Rule], wide: Mapping[str, Sequence[Value]]) -> list[Problem]:
    """Doubts about entries that shut out a whole provider; `wide`: those of each list without `whole`.

    Thousands of customers of one provider are not one sender: who refuses them all should have said so.
    """
    return [
        value.problem(
            f"the rule {rule} refuses a whole provider by this entry; "
            "write whole: true if that is meant, or a smaller network"
        )
        for name, rule in refusing_lists(rules).items()
        for value in wide.get(name, ())
    ]


def refusing_lists(rules: Iterable[Rule]) -> dict[str, str]:
    """The lists by which clients are refused, each with the first rule that does so."""
    refusing: dict[str, str] = {}
    for rule in rules:
        if rule.then.word == "reject" and rule.mode is not Mode.OFF and "client_address" in rule.check.needs:
            for name in getattr(rule.check, "lists", ()):
                refusing.setdefault(name, rule.name)
    return refusing
