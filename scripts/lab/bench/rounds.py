"""Contenders in turn, A B C A B C, so that a slow minute of the machine hits all of them."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from lab.bench.calm import QUIET
from lab.bench.contender import Absent, Contender, Reading, Row
from lab.bench.load import LoadFailed
from lab.bench.mixed import WrongAnswers
from lab.bench.processes import DidNotStart
from lab.bench.programs import CannotBuild

Say = Callable[[str], None]


def measure(
    contenders: Sequence[Contender],
    rounds: int,
    read: Callable[[Contender, int], Reading],
    say: Say,
    calm: Callable[[], float],
) -> list[Row]:
    """`rounds` readings of each by `read(contender, round)`. What cannot run is skipped with a word.

    `calm` waits for a quiet machine and gives the cores that are busy all the same.
    """
    readings: dict[str, list[Reading]] = {contender.name: [] for contender in contenders}
    skipped: dict[str, str] = {}
    for turn in range(rounds):
        for contender in contenders:
            if contender.name in skipped:
                continue
            others = calm()
            try:
                reading = replace(read(contender, turn), others=others)
            except (Absent, CannotBuild, DidNotStart, LoadFailed, WrongAnswers) as error:
                skipped[contender.name] = str(error)
                say(f"round {turn + 1}/{rounds}  {contender.name}: skipped: {error}")
                continue
            readings[contender.name].append(reading)
            say(
                f"round {turn + 1}/{rounds}  {contender.name}: {reading.rate:,.0f}/s, "
                f"CPU {reading.cpu_us:,.1f} us, p99 {reading.p99_ms:.2f} ms, {reading.pss_mb:.1f} MB"
                + (f", TROUBLE {reading.trouble}" if reading.trouble else "")
                + (f" (others used {others:.1f} cores)" if others > QUIET else "")
            )
    return [
        Row(contender, tuple(readings[contender.name]), skipped.get(contender.name, ""))
        for contender in contenders
    ]
