r"""Milter dialogues as text: read, and spoken with a milter over the codec's client side.

    # What it shows.
    option on_trouble accept                  a MilterSettings field
    at rcpt: reject 550 5.7.1 Not here        what the scripted rules decide at a stage ...
    at <no@x.example>: discard spam trap      ... or for one recipient
    edit add 0 X-Tag: spam                    a change at the end (add, change, drop)
    carried Q1: 2.5 rule-a:2.5                `{carried}` stands for a genuine findings field
    error at mail                             the rules fail there
    -> connect client.example 192.0.2.1 4711  what the MTA says
    <- reply 550 5.7.1 Not here               each action of the answer, in order
    <- nothing

After `->` without `<-` the answer must be CONTINUE, or none where none is due. In values `\n`, `\r`,
`\t`, `\\` and `\xff` stand for those octets.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from milters import actions, events
from milters.actions import CONTINUE, SILENCE, Answer
from milters.client import MilterClient
from milters.events import Event
from milters.settings import MilterSettings
from postward import decision
from postward.carried import Carried, seal
from postward.decision import Decision, Edit
from postward.stage import Stage
from tests.milters.scripted import KEY, TRACE, ScriptedRules

FOLDER = Path(__file__).parent / "dialogues"
FILES = sorted(FOLDER.glob("*.txt"))
_MACRO_LETTERS = {
    "connect": "C",
    "helo": "H",
    "mail": "M",
    "rcpt": "R",
    "data": "T",
    "header": "L",
    "end": "E",
}


@dataclass
class Dialogue:
    """One file: the settings, the scripted rules, and what is said."""

    settings: MilterSettings
    rules: ScriptedRules
    said: list[tuple[Event, list[str]]] = field(default_factory=list)


def read(path: Path) -> Dialogue:
    """A dialogue file. Raises ValueError for a line that is none."""
    options: dict[str, Any] = {"authserv_id": "mx.example.org"}
    rules = ScriptedRules()
    decisions: dict[Stage | str, Decision] = {}
    said: list[tuple[Event, list[str]]] = []
    carried = ""
    for line in path.read_text().splitlines():
        word, _, rest = line.partition(" ")
        match word:
            case "" | "#":
                continue
            case "option":
                name, _, value = rest.partition(" ")
                options[name] = {"on": True, "off": False}.get(value, value)
            case "at":
                where, _, what = rest.partition(": ")
                decisions[where.strip("<>") if "@" in where else Stage[where.upper()]] = _decision(what)
            case "edit":
                rules.edits += (_edit(rest),)
            case "carried":
                carried = _carried(rest)
            case "error":
                rules.error = RuntimeError("scripted")
                rules.error_at = frozenset({Stage[rest.removeprefix("at ").upper()]})
            case "->":
                said.append((_event(rest.replace("{carried}", carried)), []))
            case "<-":
                said[-1][1].append(rest)
            case _:
                raise ValueError(f"{path.name}: {line}")
    rules.decisions = decisions
    return Dialogue(MilterSettings(**options), rules, said)


def speak(dialogue: Dialogue, client: MilterClient) -> Iterator[tuple[Event, list[str], list[str]]]:
    """Say it all: for each event what was answered and what should have been."""
    client.negotiate()
    for event, expected in dialogue.said:
        answer = client.ask(event)
        if not expected:
            assert answer in (SILENCE, CONTINUE), (event, answer)
        else:
            yield event, spell(answer), expected


def spell(answer: Answer) -> list[str]:
    """An answer as the lines of a dialogue."""
    return [_spell(action) for action in answer] or ["nothing"]


def _spell(action: actions.Action) -> str:
    match action:
        case actions.Reply():
            return action.name.lower()
        case actions.ReplyCode(code, enhanced, text):
            return f"reply {code} {enhanced} {text}"
        case actions.InsertHeader(index, name, value):
            return f"insert {index} {name}:{_shown(value)}"
        case actions.ChangeHeader(occurrence, name, ""):
            return f"remove {occurrence} {name}"
        case actions.ChangeHeader(occurrence, name, value):
            return f"change {occurrence} {name}:{_shown(value)}"
        case actions.DeleteRecipient(path):
            return f"drop {path.decode()}"
        case actions.PutOnHold(why):
            return f"hold {why}"
        case actions.ReplaceBody(chunk):
            return f"body {_shown(chunk.decode())}"
        case _:
            raise ValueError(f"{action} in an answer")


def _shown(text: str) -> str:
    return text.replace("\n", "\\n")


def _octets(text: str) -> bytes:
    text = re.sub(r"\\x([0-9a-f]{2})", lambda found: chr(0xDC00 + int(found[1], 16)), text)
    for shown, meant in (("\\n", "\n"), ("\\r", "\r"), ("\\t", "\t"), ("\\\\", "\\")):
        text = text.replace(shown, meant)
    return text.encode("utf-8", "surrogateescape")


def _decision(text: str) -> Decision:
    word, _, rest = text.partition(" ")
    match word:
        case "continue":
            return decision.Continue()
        case "accept" | "quarantine" | "discard":
            kinds = {
                "accept": decision.Accept,
                "quarantine": decision.Quarantine,
                "discard": decision.Discard,
            }
            return kinds[word](rest)
        case "reject" | "defer" | "hold":
            code, enhanced, words = rest.split(" ", 2)
            reply = decision.Reply(int(code), enhanced, words)
            if word == "hold":
                return decision.Hold(reply, "b.example")
            return decision.Reject(reply) if word == "reject" else decision.Defer(reply)
    raise ValueError(text)


def _edit(text: str) -> Edit:
    kind, number, rest = text.split(" ", 2)
    name, _, value = rest.partition(": ")
    match kind:
        case "add":
            return decision.AddHeader(name, value, int(number))
        case "change":
            return decision.ChangeHeader(name, value, int(number))
        case "drop":
            return decision.DropHeader(name, int(number))
        case "body":
            return decision.ReplaceBody(_octets(rest))
    raise ValueError(text)


def _carried(text: str) -> str:
    """`QUEUE-ID: SCORE rule:score ...`, sealed."""
    queue_id, _, rest = text.partition(": ")
    score, *hits = rest.split()
    rules = tuple((rule, float(points)) for rule, _, points in (hit.partition(":") for hit in hits))
    return seal(KEY, queue_id, Carried(TRACE, float(score), hits=rules))


def _event(text: str) -> Event:
    word, _, rest = text.partition(" ")
    match word:
        case "connect":
            name, address, port = rest.split(" ")
            family = "6" if ":" in address else "4"
            return events.Connect(_octets(name), family, int(port), address.encode())
        case "macros":
            stage, *pairs = rest.split(" ")
            split = [pair.partition("=") for pair in pairs]
            return events.macros(_MACRO_LETTERS[stage], [(name, value) for name, _, value in split])
        case "helo":
            return events.Helo(_octets(rest))
        case "mail" | "rcpt":
            path, *parameters = (_octets(part) for part in rest.split(" "))
            kind = events.MailFrom if word == "mail" else events.RcptTo
            return kind(path, tuple(parameters))
        case "header":
            name, _, value = rest.partition(":")
            return events.Header(_octets(name), _octets(value))
        case "body":
            return events.Body(_octets(rest))
        case "data" | "eoh" | "end" | "abort" | "quit":
            return _BARE[word]()
    raise ValueError(text)


_BARE = {
    "data": events.Data,
    "eoh": events.EndOfHeaders,
    "end": events.EndOfMessage,
    "abort": events.Abort,
    "quit": events.Quit,
}
