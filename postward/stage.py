"""Stages of one SMTP message, and the two doors by which Postfix asks about it."""

from enum import Enum, IntEnum


class Stage(IntEnum):
    """How far the dialogue has come; a later stage knows all that an earlier one knew."""

    CONNECT = 1
    HELO = 2
    MAIL = 3
    RCPT = 4
    DATA = 5
    EOM = 6

    __hash__ = int.__hash__  # Enum's own is written in Python, and stages are keys on the hot path

    @property
    def word(self) -> str:
        """The name as it is written in rules and logs: `connect`, `helo`, ..., `eom`."""
        return self.name.lower()


class Door(Enum):
    """A way by which Postfix asks. A rule is judged at one door only."""

    POLICYD = "policyd"
    MILTER = "milter"

    __hash__ = object.__hash__  # members are single objects; as above
