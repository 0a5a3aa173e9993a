"""Text from a mail made fit for a terminal, a log line or a journal.

Whatever a client sent can carry terminal escapes, line breaks, bidirectional overrides or bytes
that are no UTF-8 (as surrogates). Each such character is written as its escape (THREATS E11).
"""


def printable(text: str, limit: int = 512) -> str:
    """`text` without characters that do more than show themselves, at most about `limit` long.

    Control and format characters, surrogates and separators other than the blank become `\\x1b`,
    `\\u202e` and the like; a longer text is cut and ends in `...`.
    """
    if len(text) > limit:
        text = text[: limit - 3] + "..."
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    """`\\r`, `\\x1b`, `\\u202e`, `\\udcff`: the escape that Python and JSON readers know."""
    return char.encode("unicode_escape").decode("ascii")
