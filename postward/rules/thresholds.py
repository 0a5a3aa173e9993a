"""What a total score leads to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Scores from which something follows; None: nothing does.

    `greylist` makes the mail `suspicious` (a condition that rules may use); the others act by
    themselves, `tag` at end of message.
    """

    greylist: float | None = None
    tag: float | None = None
    quarantine: float | None = None
    defer: float | None = None
    reject: float | None = None
