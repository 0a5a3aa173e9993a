"""What a door is given. Reload swaps `rules` and `tools`; a message keeps those it began with."""

from collections.abc import Callable
from dataclasses import dataclass

from postward.mail import Mail
from postward.rules.judgement import Judgement
from postward.rules.ruleset import Ruleset
from postward.tools import Tools

Learn = Callable[[Mail, Judgement, Tools], None]


def learn_nothing(_mail: Mail, _judgement: Judgement, _tools: Tools) -> None:
    """For a door without a memory."""


@dataclass(slots=True)
class House:
    """The running rules, the tools for their checks, and where decisions are recorded.

    `record(door, mail, judgement)` writes the log line and the journal entry; it never raises and
    never waits. `learn(mail, judgement, tools)` takes from it what is worth remembering (`tools`: the
    message's own); it never raises and never waits either. `findings_key` signs what policyd tells
    the milter (`postward.carried`).
    """

    rules: Ruleset
    tools: Tools
    record: Callable[[str, Mail, Judgement], None]
    findings_key: bytes
    learn: Learn = learn_nothing
