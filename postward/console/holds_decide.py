"""`postward holds approve`, `deny` and `undo`: a person's word, and exactly what is remembered of it."""

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from postward.console import holds_shown as shown
from postward.console.options import Trouble, config_option, json_option
from postward.console.store import on_store, settings_in, who
from postward.duration import whole_seconds
from postward.printable import printable

if TYPE_CHECKING:
    from postward.daemon.configuration import Configuration
    from postward.holds.decide import Said
    from postward.state import Store, Ticket, Word

T = TypeVar("T")
_LONGEST = 36_500 * 86_400  # a hundred years


def in_store(directory: Path, work: "Callable[[Store], Awaitable[T]]") -> T:
    """The result of `work` on the store of this configuration. Raises Trouble."""
    return on_store(settings_in(directory), "tickets", work)


def found(ticket: "Ticket | None", key: str) -> "Ticket":
    """`ticket`, if there is one. Raises Trouble."""
    if ticket is None:
        raise Trouble(f"there is no ticket {key}", "postward holds list --verdict all")
    return ticket


def print_json(value: Any) -> None:
    """For programs."""
    click.echo(json.dumps(value, indent=2))


def _lasts(_context: click.Context, _option: click.Parameter, value: str | None) -> float | None:
    try:
        seconds = None if value is None else float(whole_seconds(value))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if seconds is not None and seconds > _LONGEST:
        raise click.BadParameter("too long; at most 36500d")
    return seconds


def deciding(name: str, verdict: str, text: str) -> click.Command:
    """The command `name`, which gives `verdict`."""
    example = (
        f"postward holds {name} new-customer.example\n  postward holds {name} 1a2b3c4d --network --for 90d"
    )

    @click.command(name, help=f"{text}\n\n\b\nExamples:\n  {example}")
    @click.argument("about", metavar="TICKET|DOMAIN|ADDRESS|NETWORK")
    @config_option
    @json_option
    @click.option("--domain", "scope", flag_value="domain", default="domain", help="The domain (default).")
    @click.option("--network", "scope", flag_value="network", help="The /24 or /64 of its clients.")
    @click.option("--client", "scope", flag_value="client", help="The addresses of its clients.")
    @click.option("--address", "scope", flag_value="address", help="The sender's whole address.")
    @click.option("--for", "lasts", callback=_lasts, help="How long, such as 90d; by default for ever.")
    @click.option("--note", default="", help="Why; it is kept with the ticket.")
    @click.option("--yes", is_flag=True, help="Also for a provider with many users, or a domain of ours.")
    def command(
        about: str,
        directory: Path,
        as_json: bool,
        scope: str,
        lasts: float | None,
        note: str,
        yes: bool,
    ) -> None:
        meant = None if yes else _configuration(directory)
        said = in_store(
            directory, lambda store: _decide(store, about, verdict, scope, meant, lasts=lasts, note=note)
        )
        if as_json:
            ticket = None if said.ticket is None else asdict(said.ticket)
            print_json({"ticket": ticket, "words": [asdict(word) for word in said.words]})
        else:
            _show(said)

    return command


async def _decide(
    store: "Store",
    about: str,
    verdict: str,
    scope: str,
    meant: "Configuration | None",
    *,
    lasts: float | None,
    note: str,
) -> "Said":
    """`meant`: the configuration whose providers and own domains must not be decided about as a whole."""
    from postward.holds.decide import NothingToName, ahead, decide, decide_ahead
    from postward.state import TooManyWords

    now, by = time.time(), who()
    ticket = await store.holds.find(about)
    try:
        if ticket is not None:
            if scope == "domain":
                _refuse_the_whole(ticket.domain, meant)
            return await decide(store, ticket, verdict, scope, now=now, by=by, note=note, lasts=lasts)
        kind, value = ahead(about)
        if scope != "domain":
            raise Trouble(f"there is no ticket {about}", f"leave --{scope} out and name it yourself")
        if kind == "domain":
            _refuse_the_whole(value, meant)
        return await decide_ahead(store, about, verdict, now=now, by=by, note=note, lasts=lasts)
    except NothingToName as nothing:
        hint = "postward holds list --verdict all" if ticket is None else "leave the option out"
        raise Trouble(printable(str(nothing)), hint) from None
    except TooManyWords as full:
        raise Trouble(str(full), "postward holds words, and postward holds forget what is old") from None


def _refuse_the_whole(domain: str, meant: "Configuration | None") -> None:
    """Raises Trouble for a domain whose users are not one sender."""
    if meant is None:
        return
    freemail = meant.rules.lists.get("freemail")
    if freemail is not None and freemail.match_domain(domain, time.time()) is not None:
        why = "is a mail provider: the word would be about all of its users"
    elif domain in meant.settings.own_domains:
        why = "is a domain of ours: the word would be about all who write its name"
    else:
        return
    hint = "decide about one sender (--address), or say --yes if you mean the whole domain"
    raise Trouble(f"{domain} {why}", hint)


def _configuration(directory: Path) -> "Configuration":
    from postward.daemon.configuration import configure
    from postward.rules.errors import ConfigErrors

    try:
        return configure(directory)
    except ConfigErrors as errors:
        raise Trouble(str(errors), f"postward check {directory}") from None


def _show(said: "Said") -> None:
    from postward.derive.persons_word import networks_of

    for word in said.words:
        click.echo(f"{printable(spell(word))}: {word.verdict} {_until(word)}")
    word = said.words[0]
    if word.verdict == "approved" and word.kind in ("domain", "address"):
        networks = "".join(f", {each}" for each in networks_of(word.clients))
        click.echo(f"for clients that the domain vouches for (SPF, own name){networks}")
    if said.ticket is None:
        click.echo("there was no ticket: it is remembered for mail to come")
    elif said.ticket.verdict == "waiting":
        click.echo(f"{printable(said.ticket.domain)} goes on waiting for everybody else")


def spell(word: "Word") -> str:
    """What a word is about."""
    return f"{word.kind} {word.value}"


def _until(word: "Word") -> str:
    return "for ever" if word.expires is None else f"until {shown.when(word.expires)}"


@click.command()
@click.argument("ticket", metavar="TICKET|DOMAIN")
@config_option
@json_option
def undo(ticket: str, directory: Path, as_json: bool) -> None:
    """Take back all that was said about a ticket: it waits again, and the words are forgotten.

    \b
    Example:
      postward holds undo 1a2b3c4d
    """
    from postward.holds.decide import undo as take_back

    policy = _configuration(directory).rules.holds

    async def work(store: "Store") -> "tuple[Ticket, tuple[Word, ...], bool]":
        held = found(await store.holds.find(ticket), ticket)
        now = time.time()
        reopened, forgotten = await take_back(store, held, now=now, by=who())
        return reopened, forgotten, policy.is_over(reopened, store.holds.time(now))

    held, forgotten, over = in_store(directory, work)
    if as_json:
        print_json({"ticket": asdict(held), "forgotten": [asdict(word) for word in forgotten]})
        return
    for word in forgotten:
        click.echo(f"{printable(spell(word))}: forgotten, it was {word.verdict}")
    if not forgotten:
        click.echo("nobody had said anything about it")
    ends = f"waiting until {shown.when(held.opened + policy.seconds)}"
    follows = f"the deadline is over, so on_deadline follows: {policy.on_deadline}"
    click.echo(f"{printable(held.domain)}: {follows if over else ends}")
