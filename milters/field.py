"""Header fields and replies made safe: the last thing that happens to text before it is written.

Promise, for any text at all: no CR, NUL or other control character, no line above 998 octets without
its line break (RFC 5322 2.1.1), no line of white space only, printable ASCII throughout; a fold is LF
and white space, as the milter protocol wants it.
"""

from base64 import b64encode
from functools import lru_cache
from typing import Final

MAX_LINE: Final = 998  # octets, RFC 5322 2.1.1
FOLD_AT: Final = 78  # octets, the same section
MAX_VALUE: Final = 16_384  # octets of one field that we write; Postfix cuts a header at 102,400
MAX_REPLY: Final = 480  # octets; RFC 5321 4.5.3.1.5 allows a line of 512
_MAX_WORD: Final = 900  # octets; a longer word is cut by a fold
_MAX_BLANKS: Final = 64  # in a row; a longer run is shortened
_MAX_NAME: Final = 64
_ENCODED_OCTETS: Final = 45  # in one encoded-word: 75 characters at most, RFC 2047 2


@lru_cache(maxsize=256)
def field_name(name: str) -> str:
    """`name` with what cannot stand in a field name (RFC 5322 3.6.8 ftext) replaced by `-`."""
    safe = "".join(char if "!" <= char <= "~" and char != ":" else "-" for char in name[:_MAX_NAME])
    return safe or "X-Postward"


def field_value(text: str, name_length: int = 0) -> str:
    """`text` as the value of a field whose name has `name_length` octets, folded with LF.

    What is not ASCII becomes encoded-words (RFC 2047); control characters become blanks.
    """
    text = text[:MAX_VALUE]
    if not (text.isascii() and text.isprintable()):
        text = "".join(char if char >= " " and char != "\x7f" else " " for char in text)
        text = text if text.isascii() else _encoded(text)
    return _folded(text.strip(" "), name_length + 2)


def reply_text(text: str) -> str:
    """`text` as one line of an SMTP reply: printable ASCII, at most `MAX_REPLY` octets."""
    safe = "".join(char if " " <= char <= "~" else "?" for char in text[:MAX_REPLY])
    return safe.strip() or "Refused"


def _encoded(text: str) -> str:
    """RFC 2047 B encoding in words of at most 75 characters; broken surrogates become `?`."""
    words: list[str] = []
    piece = b""
    for char in text:
        octets = char.encode("utf-8", "replace")
        if len(piece) + len(octets) > _ENCODED_OCTETS:
            words.append(_encoded_word(piece))
            piece = b""
        piece += octets
    return " ".join([*words, _encoded_word(piece)])


def _encoded_word(octets: bytes) -> str:
    return f"=?utf-8?B?{b64encode(octets).decode('ascii')}?="


def _folded(text: str, column: int) -> str:
    """Break `text` before blanks, so that lines stay below `FOLD_AT` where its words allow it.

    Unfolding (taking the LFs out) gives the text back, unless a word had to be cut or a long run of
    blanks shortened.
    """
    if column + len(text) <= FOLD_AT:
        return text
    lines: list[str] = []
    line = ""
    for word in _words(text):
        if line and column + len(line) + len(word) > FOLD_AT:
            lines.append(line)
            line, column = "", 0
        line += word
    return "\n".join([*lines, line])


def _words(text: str) -> list[str]:
    """`text` cut before each run of blanks; no piece is longer than a line may be."""
    words: list[str] = []
    blanks = 0
    for word in text.split(" "):
        if word:
            cut = [word[at : at + _MAX_WORD] for at in range(0, len(word), _MAX_WORD)]
            words.append(" " * min(blanks, _MAX_BLANKS) + cut[0])
            words += [" " + piece for piece in cut[1:]]
            blanks = 0
        blanks += 1
    return words
