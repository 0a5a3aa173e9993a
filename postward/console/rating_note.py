"""`postward rating note`: what other tools have found out about a sender, added to its ratings."""

import json
import math
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

import click

from postward.console.options import Trouble, config_option, json_option
from postward.console.store import on_store, settings_in
from postward.printable import printable

if TYPE_CHECKING:
    from postward.daemon.config import Settings
    from postward.state import Store
    from postward.tools import Networks

MAX_LINES = 1_000_000
_MAX_LINE = 2_000
_TOLD = 20  # problems
_AT_ONCE = 5_000  # notes that wait for the disk together
_NOBODY = "\U0010ffff"  # begins no key


class Note(NamedTuple):
    """What is added to the ratings of `keys`; `word` is one of the outcomes of section `ratings`.

    Without a key it is left out: `reason` says why.
    """

    who: str
    keys: tuple[str, ...]
    word: str
    points: float
    reason: str


@click.command()
@click.argument("who", metavar="[KEY|ADDRESS|DOMAIN]", required=False)
@click.argument("outcome", required=False)
@click.option("--reason", default="", help="What happened; shown with the rating.")
@click.option("--file", type=click.File("r", encoding="utf-8"), help="Lines WHO OUTCOME REASON; - is stdin.")
@config_option
@json_option
def note(
    who: str | None, outcome: str | None, reason: str, file: TextIO | None, directory: Path, as_json: bool
) -> None:
    """Add what OUTCOME is worth to the ratings of a sender: for scanners and log watchers.

    OUTCOME is one of the words of `ratings:` in postward.yml, whose points count: spam, virus,
    dmarc_fail, bounced, complaint, ham ... An address stands for its network and AS too, which get
    their shares; a domain is that of a sender for which SPF, DKIM or DMARC vouches. Private addresses
    and the domains of large providers of mail are not rated. If anything in the file is wrong, nothing
    is noted.

    \b
    Examples:
      postward rating note 192.0.2.7 spam --reason "rspamd 22.5"
      postward rating note login:alice@example.org complaint --reason "abuse report 4711"
      postward rating note --file - < outcomes.txt
    """
    if (file is None) == (who is None) or (outcome is None) != (who is None) or (file and reason):
        raise click.UsageError("give who it is and the outcome, or --file with such lines")
    settings = settings_in(directory)
    reading = _Reading(settings)
    if file is not None:
        notes = reading.lines(file)
    elif who is not None and outcome is not None:
        try:
            notes = [reading.note(who, outcome, reason)]
        except ValueError as bad:
            raise Trouble(str(bad)) from None
    useful = [each for each in notes if each.keys and each.points]
    on_store(settings, "ratings", lambda store: _noted(store, useful), again=False)
    _told(notes, len(useful), as_json)


async def _noted(store: "Store", notes: list[Note]) -> None:
    """Note them all; they are in the file when this ends. Raises StoreDown."""
    from postward.state import StoreDown

    for start in range(0, len(notes), _AT_ONCE):
        now = time.time()
        for each in notes[start : start + _AT_ONCE]:
            await _add(store, each, now)
        try:  # a reading of rows waits for all that was noted before
            await store.ratings.rows(_NOBODY, now=now, limit=1)
        except StoreDown:  # the store keeps the notes for its next try
            await store.ratings.rows(_NOBODY, now=now, limit=1)


async def _add(store: "Store", each: Note, now: float) -> None:
    """Add the points; of a client's, its network and AS get their shares as long as it has not had its part.

    How much that was is seen from its own rating: it fades as theirs do, and no program need remember it.
    """
    from postward.outcomes import MOST_SHARED, SHARES

    shared = each.points
    if each.keys[0].startswith("client:"):
        (client,) = await store.ratings.read(each.keys[:1], now=now)
        had = client.points if client is not None and client.points * each.points > 0 else 0.0
        shared = math.copysign(min(abs(each.points), max(MOST_SHARED - abs(had), 0.0)), each.points)
    for key in each.keys:
        share = SHARES.get(key.partition(":")[0])
        points = each.points if share is None else shared * share
        if points:
            store.ratings.note((key,), points, now=now, reason=each.reason)


def _told(notes: list[Note], useful: int, as_json: bool) -> None:
    left_out = sum(not each.keys for each in notes)
    if as_json:
        click.echo(json.dumps({"noted": useful, "left_out": left_out, "of": len(notes)}))
    elif len(notes) == 1:
        (one,) = notes
        if not one.keys:
            click.echo(f"{printable(one.who, 300)}: {one.reason}")
        else:
            click.echo(printable(f"{', '.join(one.keys)}: {one.word}, {one.points:+g} points", 2000))
    else:
        more = f", {left_out} left out (private addresses, large providers)" if left_out else ""
        click.echo(f"{useful} of {len(notes)} outcomes noted{more}")


class _Reading:
    """Makes notes of what people and tools write, by the points of this site."""

    def __init__(self, settings: "Settings") -> None:
        from postward.outcomes import Points

        self.points = Points(**settings.ratings.model_dump(exclude={"half_life"}))
        self.networks: Networks = networks_of(settings)

    def note(self, who: str, word: str, reason: str) -> Note:
        """One note. Raises ValueError: what is wrong, and what to write."""
        from postward.derive.provider_names import CLAIMABLE
        from postward.rules.errors import did_you_mean

        if word not in self.points._fields:
            raise ValueError(f"{word!r} is no outcome{did_you_mean(word, self.points._fields)}")
        keys = self._keys(who)
        if not keys:
            return Note(who, (), word, 0.0, "a private address is not rated")
        if keys[0].partition(":")[2] in CLAIMABLE:
            return Note(who, (), word, 0.0, "a large provider of mail is rated by its clients alone")
        return Note(who, keys, word, getattr(self.points, word), f"{word}: {reason}" if reason else word)

    def lines(self, lines: Iterable[str]) -> list[Note]:
        """The notes in lines `WHO OUTCOME REASON`; empty lines and # comments are none. Raises Trouble."""
        notes, problems = [], []
        try:
            for number, line in enumerate(lines, 1):
                if number > MAX_LINES:
                    raise Trouble(f"more than {MAX_LINES} lines", "nothing was noted; split the file")
                if not line.strip() or line.lstrip().startswith("#"):
                    continue
                try:
                    notes.append(self._line(line))
                except ValueError as bad:
                    problems.append(f"line {number}: {bad}")
        except UnicodeDecodeError as error:
            raise Trouble(f"not UTF-8: {error.reason}", "nothing was noted") from None
        if problems:
            more = [f"and {len(problems) - _TOLD} more"] if len(problems) > _TOLD else []
            raise Trouble("\n".join(problems[:_TOLD] + more), "nothing was noted; mend the lines")
        return notes

    def _line(self, line: str) -> Note:
        if len(line) > _MAX_LINE:
            raise ValueError(f"more than {_MAX_LINE} characters")
        who, word, reason = (*line.strip().split(None, 2), "", "")[:3]
        if not word:
            raise ValueError(f"{who!r} without an outcome; write {who} spam")
        return self.note(who, word, reason)

    def _keys(self, who: str) -> tuple[str, ...]:
        """The keys that hear of it; none for a private address. Raises BadKey."""
        from postward.derive.rating_key import BadKey, key_of_asn, keys_of_address, keys_of_sender, read_key
        from postward.network import address_of, is_local

        address = address_of(who.strip())
        if address is not None:
            if is_local(address):
                return ()
            network = self.networks.find(address)
            asn = (key_of_asn(network.asn),) if network is not None else ()
            return (*keys_of_address(address), *asn)
        if ":" in who:
            return (read_key(who),)
        if "@" in who:
            raise BadKey(
                f"{who!r} may be a login or a sender; write login:{who}, "
                "or the domain alone of a sender that is vouched for"
            )
        return keys_of_sender(who)


def networks_of(settings: "Settings") -> "Networks":
    """The database of networks of these settings, or none."""
    from postward.networks.database import open_networks
    from postward.tools import NoNetworks

    files = settings.networks.asn_file
    return open_networks(files, NoNetworks()) if files else NoNetworks()
