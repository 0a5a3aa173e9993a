"""What lasts for one message: its case before the rules, found again by Postfix's `instance`.

Postfix asks once for each recipient, again when an answer failed, and again at DATA. All of it is
one message: nothing is looked up, scored or charged twice. The memory is bounded by number and age;
and a connection that asks about another message has done with the one before (SMTPD_POLICY_README),
so that a client that begins messages and never ends them fills nothing.
"""

from collections import OrderedDict

from postward.rules.judge import Case
from postward.rules.ruleset import Ruleset
from postward.stage import Door
from postward.tools import Tools

MAX_MESSAGES = 4_096  # Postfix's default_process_limit is 100, each with one message under way
MAX_AGE = 3_600.0  # seconds


class Messages:
    """The messages under way, the longest unused first."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: OrderedDict[str, tuple[float, Case]] = OrderedDict()

    def case(self, instance: str, rules: Ruleset, tools: Tools) -> Case:
        """The case of this message; a message keeps the rules that it began with."""
        if not instance:  # before Postfix 2.1, or not Postfix: nothing can be remembered
            return rules.open(Door.POLICYD, tools)
        now = tools.clock.monotonic()
        held = self._held.get(instance)
        if held is not None and now - held[0] < MAX_AGE:
            self._held.move_to_end(instance)
            return held[1]
        case = rules.open(Door.POLICYD, tools)
        self._held[instance] = (now, case)
        longest_unused = next(iter(self._held.values()))
        if len(self._held) > MAX_MESSAGES or now - longest_unused[0] >= MAX_AGE:
            self._held.popitem(last=False)
        return case

    def forget(self, instance: str) -> None:
        """The message has ended."""
        self._held.pop(instance, None)

    def __len__(self) -> int:
        return len(self._held)
