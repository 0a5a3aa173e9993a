"""`postward explain`: what would be decided about a message if a client sent it now."""

import asyncio
import ipaddress
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from postward.console.options import Trouble, config_option, json_option
from postward.printable import printable

if TYPE_CHECKING:
    from postward.console.pretend import Envelope
    from postward.console.rehearsal import Rehearsal
    from postward.daemon.configuration import Configuration
    from postward.rules.ruleset import Ruleset
    from postward.tools import Dns

MAX_MESSAGE = 50_000_000  # octets


@click.command()
@click.argument("message", type=click.File("rb", lazy=True))
@click.option("--client", required=True, help="The address of the client.")
@click.option("--helo", help="What it calls itself; default: its name in the DNS.")
@click.option("--from", "sender", help="The envelope sender; default: Return-Path or From; <> for a bounce.")
@click.option("--to", "recipients", multiple=True, help="A recipient; may be given several times.")
@click.option("--login", default="", help="The SASL login, for a submission.")
@click.option("--listener", default="", help="Which listener it comes by (policy_context, {daemon_name}).")
@config_option
@json_option
def explain(
    message: Any,
    client: str,
    helo: str | None,
    sender: str | None,
    recipients: tuple[str, ...],
    login: str,
    listener: str,
    directory: Path,
    as_json: bool,
) -> None:
    """Judge a message as if CLIENT sent it now, and show every rule: hit or not, and what follows.

    The real rules run with the real DNS, on an empty state: to greylisting the client is a stranger.
    Nothing is written and no daemon is asked.

    \b
    Examples:
      postward explain message.eml --client 192.0.2.7
      postward explain - --client 192.0.2.7 --helo mx.example.net --from a@example.net --to b@example.org < m
    """
    from postward.daemon.configuration import configure
    from postward.rules.errors import ConfigErrors

    try:
        configuration = configure(directory)
    except ConfigErrors as errors:
        raise Trouble(str(errors), f"postward check {directory}") from None
    octets = message.read(MAX_MESSAGE)
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        raise Trouble(f"--client {client}: not an IP address") from None
    given = {"helo": helo, "sender": sender, "recipients": recipients, "login": login, "listener": listener}
    envelope, rehearsal = asyncio.run(_explain(configuration, octets, address, given))
    if as_json:
        click.echo(json.dumps(_as_dict(configuration.rules, envelope, rehearsal), indent=2))
    else:
        _show(configuration.rules, envelope, rehearsal)


async def _explain(
    configuration: "Configuration",
    message: bytes,
    client: ipaddress.IPv4Address | ipaddress.IPv6Address,
    given: dict[str, Any],
) -> "tuple[Envelope, Rehearsal]":
    from postward.console.rehearsal import rehearse
    from postward.daemon.wiring import SystemClock, resolver, tested_dns_lists, tools
    from postward.store.memory import MemoryStore

    clock = SystemClock()
    dns = resolver(configuration.settings, clock)
    kit = tools(configuration, dns, MemoryStore(), clock)
    kit.dns_lists = await tested_dns_lists(configuration.settings, dns, clock)
    envelope = await _envelope(configuration, message, client, dns, given)
    within = max(configuration.settings.policyd.deadline, configuration.settings.milter.deadline)
    return envelope, await rehearse(configuration.rules, kit, envelope, message, within=within)


async def _envelope(
    configuration: "Configuration",
    message: bytes,
    client: ipaddress.IPv4Address | ipaddress.IPv6Address,
    dns: "Dns",
    given: dict[str, Any],
) -> "Envelope":
    """The envelope as given, the rest guessed from the message and the DNS."""
    from postward.address import parse
    from postward.console.pretend import Envelope, first, header_of, names_of

    headers = header_of(message)
    assumed = []
    name, unverified = await names_of(client, dns)
    helo, sender, recipients = given["helo"], given["sender"], given["recipients"]
    if helo is None:
        helo = name if name != "unknown" else f"[{client}]"
        assumed.append(f"HELO {helo}")
    if sender is None:
        sender = first(headers, b"return-path") or _address_in(first(headers, b"from"))
        assumed.append(f"sender {sender or '<>'}")
    if not recipients:
        at = min(configuration.settings.own_domains, default=configuration.settings.authserv_id)
        recipients = (first(headers, b"delivered-to", b"x-original-to") or f"postmaster@{at}",)
        assumed.append(f"recipient {recipients[0]}")
    return Envelope(
        client=client,
        client_name=name,
        reverse_client_name=unverified,
        helo=helo,
        sender=parse(sender),
        recipients=tuple(parse(each) for each in recipients),
        login=given["login"],
        listener=given["listener"],
        assumed=tuple(assumed),
    )


def _address_in(field: str) -> str:
    """The address in a plain From field, good enough for a guess that is shown."""
    return field.rpartition("<")[2].partition(">")[0].strip() if "<" in field else field.strip()


def _as_dict(rules: "Ruleset", envelope: "Envelope", rehearsal: "Rehearsal") -> dict[str, Any]:
    judged = rehearsal.rules()
    rows = []
    for rule in rules.rules:
        step, found = judged.get(rule.name, (None, None))
        row: dict[str, Any] = {
            "rule": rule.name,
            "check": rule.check.name,
            "door": rule.door.value,
            "stage": rule.stage.word,
        }
        row |= {"mode": rule.mode.value, "then": rule.then.word}
        rows.append(
            row | {"asked_at": step.stage if step else "", "judged": found._asdict() if found else None}
        )
    return {
        "client": str(envelope.client),
        "client_name": envelope.client_name,
        "helo": printable(envelope.helo),
        "sender": printable(envelope.sender.text),
        "recipients": [printable(each.text) for each in envelope.recipients],
        "login": printable(envelope.login),
        "assumed": [printable(each) for each in envelope.assumed],
        "answer": rehearsal.answer,
        "reply": rehearsal.reply,
        "score": rehearsal.score,
        "edits": [{"kind": type(each).__name__} | asdict(each) for each in rehearsal.edits],
        "rules": rows,
        "steps": [step.as_dict() for step in rehearsal.steps],
    }


def _show(rules: "Ruleset", envelope: "Envelope", rehearsal: "Rehearsal") -> None:
    from postward.console.outcome import show

    show(rules, envelope, rehearsal)
