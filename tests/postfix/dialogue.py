"""Dialogues: text files that say what a client sends, what Postfix answers, and what comes of it.

A file is made of sections that begin with `== WORD ...`:

    == rules            YAML of one rules.d file (lists: in `== list NAME`, one value a line)
    == settings         YAML laid over postward.yml
    == smtp [PORT]      a connection: PORT is inbound (default), submission or eager
    == delivered USER   header fields of the one mail that USER got, in this order among others;
                        `! pattern`: no such field; `| text`: a line of the body
    == delivered USER none | N
    == held N           how many messages are on the hold queue
    == journal          one line a decision: door stage decision (by=RULE)
    == thrown-away N    how many messages Postfix took and discarded

In `== smtp`: `C: line` sends a line, `C~ text` sends octets with Python's escapes and no line end,
`X: ADDRESS [NAME] [HELO]` plays a client (XCLIENT), `S: pattern` reads one reply (lines joined by
` / `), `hang up` closes the connection. `*` in a pattern stands for anything. `#` begins a comment.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from lab.host import MailHost
from lab.patience import until
from lab.smtp import Reply, Smtp

_HOLD = re.compile(r"queued as (\w+)")


@dataclass(frozen=True, slots=True)
class Section:
    """One section: its word, the words behind it, its lines with their numbers in the file."""

    word: str
    arguments: tuple[str, ...]
    lines: tuple[tuple[int, str], ...]

    @property
    def text(self) -> str:
        return "\n".join(line for _, line in self.lines)


@dataclass(slots=True)
class Dialogue:
    """A file, read. `queue_ids` of what was taken fill while it runs."""

    name: str
    sections: list[Section]
    queue_ids: list[str] = field(default_factory=list)

    def run(self, host: MailHost, transport: str = "asyncio") -> None:
        """Play it with this milter transport; AssertionError with `file:line` where it goes another way."""
        host.serve(**self._configuration(transport))
        host.postfix.forget_mail()
        held_before = set(host.postfix.on_hold())
        log_before = len(host.postfix.log())
        for section in self._all("smtp"):
            self._talk(section, host)
        host.settle()
        for section in self._all("delivered"):
            self._check_delivered(section, host)
        for section in self._all("held"):
            held = set(host.postfix.on_hold()) - held_before
            assert len(held) == int(section.arguments[0]), f"{self.name}: held: {held}"
        for section in self._all("thrown-away"):
            count = host.postfix.log()[log_before:].count("discard: ")
            assert count == int(section.arguments[0]), f"{self.name}: {count} thrown away"
        for section in self._all("journal"):
            self._check_journal(section, host)

    def _all(self, word: str) -> list[Section]:
        return [section for section in self.sections if section.word == word]

    def _configuration(self, transport: str) -> dict[str, Any]:
        rules = {f"{number}.yml": part.text + "\n" for number, part in enumerate(self._all("rules"))}
        lists = {
            part.arguments[0]: [line for _, line in part.lines if line.strip()] for part in self._all("list")
        }
        settings: dict[str, Any] = {"milter": {"transport": transport}}
        for part in self._all("settings"):
            settings.update(yaml.safe_load(part.text))
        return {"rules": rules, "lists": lists, "settings": settings}

    # --- SMTP -------------------------------------------------------------------------------------
    def _talk(self, section: Section, host: MailHost) -> None:
        ports = {
            "inbound": host.postfix.port,
            "submission": host.postfix.submission_port,
            "eager": host.postfix.eager_port,
        }
        with Smtp(ports[section.arguments[0] if section.arguments else "inbound"]) as smtp:
            unread = [smtp.greeting]
            for number, line in section.lines:
                self._step(smtp, unread, number, line)

    def _step(self, smtp: Smtp, unread: list[Reply], number: int, line: str) -> None:
        kind, rest = line[:2], line[2:].removeprefix(" ")
        match kind:
            case "C:":
                smtp.send(rest.encode() + b"\r\n")
            case "C~":
                smtp.send(
                    rest.encode("latin-1", "backslashreplace").decode("unicode_escape").encode("latin-1")
                )
            case "X:":
                reply = smtp.xclient(*rest.split())
                assert reply.code == 220, f"{self.name}:{number}: XCLIENT: {reply}"
            case "S:":
                reply = unread.pop() if unread else smtp.reply()
                self.queue_ids += _HOLD.findall(reply.text)
                assert matches(rest, reply.text), f"{self.name}:{number}: wanted {rest!r}, got {reply.text!r}"
            case "ha":
                smtp.close()
            case _ if line.strip():
                raise ValueError(f"{self.name}:{number}: {line!r}")

    # --- what came of it --------------------------------------------------------------------------
    def _check_delivered(self, section: Section, host: MailHost) -> None:
        user, *more = section.arguments
        mails = host.postfix.delivered(user)
        wanted = 0 if more == ["none"] else int(more[0]) if more else 1
        assert len(mails) == wanted, f"{self.name}: {user} got {len(mails)} mails, not {wanted}"
        if not section.lines or not mails:
            return
        header, _, body = mails[-1].partition(b"\n\n")
        fields = re.sub(rb"\n[ \t]+", b" ", header).decode("utf-8", "replace").split("\n")
        texts = body.decode("utf-8", "replace").split("\n")
        left = iter(fields)
        for number, line in section.lines:
            where = f"{self.name}:{number}: {line!r}"
            if line.startswith("! "):
                assert not any(matches(line[2:], one) for one in fields), f"{where}: is there in {fields}"
            elif line.startswith("| "):
                assert any(matches(line[2:], one) for one in texts), f"{where}: not in {texts}"
            elif line.strip():
                assert any(matches(line, one) for one in left), f"{where}: not (in this order) in {fields}"

    def _check_journal(self, section: Section, host: MailHost) -> None:
        wanted = [line.split() for _, line in section.lines if line.strip()]
        found: list[list[str]] = []

        def as_wanted() -> bool:
            nonlocal found
            entries = [entry for queue_id in self.queue_ids for entry in host.daemons.why(queue_id)]
            found = [
                [entry["door"], entry["stage"], entry["decision"], f"by={entry['by'].replace(' ', '-')}"]
                for entry in entries
            ]
            return all(any(one[: len(want)] == want for one in found) for want in wanted)

        until(as_wanted, f"{self.name}: journal with {wanted}", within=5)


def matches(pattern: str, text: str) -> bool:
    """Whether `text` is `pattern`, in which `*` stands for anything."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None


def read(path: Path) -> Dialogue:
    """Read a dialogue file."""
    return parse(path.name, path.read_text(encoding="utf-8"))


def parse(name: str, text: str) -> Dialogue:
    """Take a dialogue's text apart; ValueError with its place for what is no dialogue."""
    sections: list[Section] = []
    lines: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("== "):
            word, *arguments = line[3:].split()
            if word not in {
                "rules",
                "list",
                "settings",
                "smtp",
                "delivered",
                "held",
                "journal",
                "thrown-away",
            }:
                raise ValueError(f"{name}:{number}: no such section: {word}")
            lines = []
            sections.append(Section(word, tuple(arguments), lines))  # type: ignore[arg-type]  # it fills below
        elif not line.startswith("#") and (line.strip() or lines):
            lines.append((number, line))
    return Dialogue(name, sections)
