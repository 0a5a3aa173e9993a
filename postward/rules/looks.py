"""Looks: asking a check, at once or as a task, and giving up those that are late.

A check that fails or is late could not tell: `Unsure`, never an exception (docs/adr/0004).
"""

import asyncio
import logging
from typing import Any

from postward import eager
from postward.finding import CLEAR, Clear, Finding, Hit, Unsure
from postward.mail import Mail
from postward.rules.rule import Rule
from postward.tools import Tools

_log = logging.getLogger("postward.judge")
Found = tuple[Finding, float]
"""What a look gave, and the seconds that it took."""
NOTHING_FOUND: Found = (CLEAR, 0.0)


def ask(rule: Rule, mail: Mail, tools: Tools) -> Found | asyncio.Task[Found]:
    """Ask the check: what it found at once, or the task of one that waits."""
    monotonic = tools.clock.monotonic
    try:
        looked = rule.check.look(mail, tools)
        if looked is CLEAR:
            return NOTHING_FOUND
        if isinstance(looked, Clear | Hit | Unsure):
            return looked, 0.0
        began = monotonic()
        started = eager.start(looked)
    except Exception as error:  # noqa: BLE001  # one broken check must not take the others down
        return _failed(rule, error), 0.0
    if isinstance(started, asyncio.Task):
        return asyncio.get_running_loop().create_task(_timed(rule, started, tools, began))
    return NOTHING_FOUND if started.value is CLEAR else (started.value, monotonic() - began)


async def _timed(rule: Rule, look: asyncio.Task[Finding], tools: Tools, began: float) -> Found:
    try:
        finding = await look
    except Exception as error:  # noqa: BLE001  # as above
        finding = _failed(rule, error)
    return finding, tools.clock.monotonic() - began


def _failed(rule: Rule, error: Exception) -> Finding:
    """A check that fails is our own trouble: it could not tell."""
    _log.error("rule %s: check %s failed", rule.name, rule.check.name, exc_info=error)
    return Unsure(f"the check failed: {type(error).__name__}")


async def wait(waiting: set[asyncio.Task[Any]], left: float) -> None:
    """Wait for the looks, at most `left` seconds; those that are late are given up."""
    try:
        _, late = await asyncio.wait(waiting, timeout=max(left, 0.0))
    except asyncio.CancelledError:
        for task in waiting:
            task.cancel()
        raise
    for task in late:
        task.cancel()


def result(task: asyncio.Task[Found], left: float) -> Found:
    """What a look gave, `Unsure` for one that was given up."""
    if task.done() and not task.cancelled():
        return task.result()
    return Unsure(f"no answer within {max(left, 0.0):.1f} s"), max(left, 0.0)
