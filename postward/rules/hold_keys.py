"""Reading `holds:` of a rules file: `{for: 24h, remind: [4h, 12h, 20h], on_deadline: accept}`."""

from dataclasses import replace

from postward.duration import whole_seconds
from postward.rules.hold import AT_DEADLINE, HoldPolicy, OnDeadline
from postward.rules.reader import Reader, Value

KEYS = ("for", "remind", "on_deadline")
OLD_KEY = "hold_for_hours"
MAX_REMINDERS = 10
_SHORTEST, _LONGEST = 3_600, 120 * 3_600
"""A sender's queue gives up after 5 days (RFC 5321 4.5.4.1); Exchange Online after one."""
_WORDS: tuple[OnDeadline, ...] = ("accept", "quarantine", "defer", "reject")
assert set(_WORDS) == set(AT_DEADLINE)


def read_policy(reader: Reader, value: Value, before: HoldPolicy) -> HoldPolicy:
    """`before`, changed by the keys that are given."""
    members = reader.mapping(value, KEYS)
    policy = before
    if "for" in members:
        seconds = _duration(reader, members["for"], _SHORTEST, "1h")
        policy = replace(policy, seconds=seconds or policy.seconds)
    if "remind" in members:
        policy = replace(policy, remind=_reminders(reader, members["remind"]))
    if "on_deadline" in members:
        word = reader.word(members["on_deadline"], _WORDS)
        policy = replace(
            policy, on_deadline=next((each for each in _WORDS if each == word), before.on_deadline)
        )
    return policy


def _reminders(reader: Reader, value: Value) -> tuple[float, ...]:
    times = [_duration(reader, item, 60, "1m") for item in reader.items(value)]
    if len(times) > MAX_REMINDERS:
        reader.complain(value, f"at most {MAX_REMINDERS} reminders")
    return tuple(sorted({each for each in times if each is not None}))


def _duration(reader: Reader, value: Value, least: int, spelt: str) -> float | None:
    try:
        length = whole_seconds(value.data)
    except ValueError as error:
        reader.complain(value, str(error))
        return None
    if isinstance(length, bool) or not isinstance(length, int) or not least <= length <= _LONGEST:
        reader.complain(value, f"must be a duration from {spelt} to 120h")
        return None
    return float(length)
