"""Where a rule is judged: from which stage on a door can, or why it cannot."""

from postward.checks import Cost
from postward.mail import FACTS
from postward.rules.outcomes import DOORS
from postward.rules.parts import Parts
from postward.stage import Door, Stage


def stage_at(door: Door, parts: Parts, varies: bool, both: bool) -> Stage | str:
    """The stage at which `door` can judge the rule, or why it cannot; `both`: both doors are in use.

    `varies`: overrides make it differ from recipient to recipient, so RCPT has to be waited for.
    """
    stage, latest = Stage.CONNECT, ""
    for fact in sorted(parts.needs):
        known = FACTS[fact].stage(door)
        if known is None:
            return f"never learns {fact}"
        if known > stage:
            stage, latest = known, f"{fact} is known"
    why = _unable(door, parts)
    if why:
        return why
    if parts.says("tag"):
        stage, latest = Stage.EOM, "tags are written"
    if varies and stage < Stage.RCPT:
        stage, latest = Stage.RCPT, "the recipient of an override is known"
    wanted = parts.wanted[1]
    if wanted is not None and wanted < stage:
        return f"{latest} at stage {stage.word}, later than {wanted.word}"
    stage = wanted or stage
    if "recipient" in parts.needs and stage is not Stage.RCPT:
        return f"a recipient is asked about at stage rcpt only, not at {stage.word}"
    if parts.says("accept") and stage is Stage.EOM and door is Door.POLICYD and both:
        return "the milter hears at stage data of what is accepted, so at eom it is too late"
    if parts.says("discard"):
        return _discarding(door, parts, stage, varies)
    return stage


def _unable(door: Door, parts: Parts) -> str:
    """What of the rule the door cannot do at any stage; empty: it can do all."""
    for outcome in parts.outcomes:
        if door not in DOORS[outcome.word]:
            return f"cannot {outcome.word}"
    if parts.kind is not None and parts.kind.cost in (Cost.STATE, Cost.DELAY) and door is not Door.POLICYD:
        return f"{parts.kind.name} keeps state, which only policyd does"
    return ""


def _discarding(door: Door, parts: Parts, stage: Stage, varies: bool) -> Stage | str:
    """The same for a rule that discards: silently, so never for a recipient who was to get the mail."""
    # access(5): DISCARD affects all recipients of the message; the others would lose their mail.
    if door is Door.POLICYD and for_one(parts, stage, varies):
        return "cannot discard for one recipient alone"
    if varies and stage is not Stage.RCPT:
        return f"cannot discard for some recipients at stage {stage.word}, where one answer serves all"
    return stage


def for_one(parts: Parts, stage: Stage, varies: bool) -> bool:
    """Whether the rule is judged once for each recipient.

    So is one that discards for some of them: at a later stage it would discard for all.
    """
    return "recipient" in parts.needs or (varies and parts.says("discard") and stage is Stage.RCPT)
