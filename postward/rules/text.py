"""Reply texts: an admin's words with values of the mail put in.

The template is taken apart once, when it is loaded; values of the mail are never used as a format.
Every value is cut and made printable ASCII here, so that nothing the client sent can break a reply
line (THREATS B3, B7).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from string import Formatter

from postward.mail import FACTS, Mail

MAX_TEXT = 400  # octets of a reply's text; with code and trace the line stays below RFC 5321's 512
MAX_VALUE = 128
_NAME = re.compile(r"\{([a-z_]+)([!:][^{}]*)?\}")


def _ip(mail: Mail) -> str:
    return str(mail.client_address) if mail.client_address is not None else "localhost"


PLACEHOLDERS: dict[str, tuple[str, Callable[[Mail], str]]] = {
    "client_ip": ("client_address", _ip),
    "client_name": ("client_name", lambda mail: mail.client_name),
    "client_ptr": ("reverse_client_name", lambda mail: mail.reverse_client_name),
    "helo": ("helo_name", lambda mail: mail.helo_name),
    "sender": ("sender", lambda mail: mail.sender.text or "<>"),
    "sender_domain": ("sender", lambda mail: mail.sender.domain or "<>"),
    "recipient": ("recipient", lambda mail: mail.recipient.text),
    "login": ("sasl_username", lambda mail: mail.sasl_username),
}
"""Name in a template -> the fact it needs, and how it reads it."""


class BadTemplate(ValueError):
    """A template that cannot be used; `args` are all the reasons."""


@dataclass(frozen=True, slots=True)
class Template:
    """Literals and names in turn; `facts` are the facts that it reads."""

    parts: tuple[tuple[str, str | None], ...]
    facts: frozenset[str]

    def render(self, mail: Mail, values: Mapping[str, str]) -> str:
        """The text for this mail; `values` are what the check's Hit offers."""
        out: list[str] = []
        for literal, name in self.parts:
            out.append(literal)
            if name is None:
                continue
            if name in values:
                out.append(printable(values[name]))
            elif name in PLACEHOLDERS and mail.knows(PLACEHOLDERS[name][0]):
                out.append(printable(PLACEHOLDERS[name][1](mail)))
        return "".join(out)


def template(text: str, says: Mapping[str, str]) -> Template:
    """Take `text` apart. Raises BadTemplate: unknown names, formats, characters that SMTP cannot carry."""
    if not text.isascii() or not text.isprintable():
        raise BadTemplate("must be printable ASCII on one line, as SMTP replies are (RFC 5321 4.2)")
    if len(text) > MAX_TEXT:
        raise BadTemplate(f"is {len(text)} characters long; at most {MAX_TEXT} fit into a reply")
    parts, wrong = _pieces(text)
    names = dict.fromkeys(name for _, name in parts if name is not None)
    known = {*PLACEHOLDERS, *says}
    wrong += [
        f"unknown name {{{name}}}; known here: {', '.join(sorted(known))}"
        for name in names
        if name not in known
    ]
    if wrong:
        raise BadTemplate(*wrong)
    facts = {PLACEHOLDERS[name][0] for _, name in parts if name in PLACEHOLDERS and name not in says}
    assert facts <= FACTS.keys()
    return Template(tuple(parts), frozenset(facts))


def _pieces(text: str) -> tuple[list[tuple[str, str | None]], list[str]]:
    """The literals and names of `text`, and what is wrong with its braces."""
    parts: list[tuple[str, str | None]] = []
    wrong: list[str] = []
    try:
        for literal, name, spec, conversion in Formatter().parse(text):
            parts.append((literal, name))
            if spec or conversion:
                wrong.append(f"{{{name}}} takes no format")
    except ValueError as error:
        names = list(_NAME.finditer(text.replace("{{", "").replace("}}", "")))
        parts = [("", name[1]) for name in names]
        wrong = [f"{{{name[1]}}} takes no format" for name in names if name[2]]
        wrong.append(f"{error}; write {{{{ for a brace")
    return parts, wrong


def printable(value: str) -> str:
    """`value` as printable ASCII, `?` for anything else, at most MAX_VALUE characters."""
    if len(value) > MAX_VALUE:
        value = value[: MAX_VALUE - 3] + "..."
    if value.isascii() and value.isprintable():
        return value
    return "".join(char if char.isascii() and char.isprintable() else "?" for char in value)
