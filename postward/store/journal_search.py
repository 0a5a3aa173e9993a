"""Looking decisions up in the files of the journal, from the newest file on.

A search is for a field between its marks, in the mapped file: 500 MB in the page cache take 0.4 s. Files
that a writer deletes meanwhile are passed over; a line that a crash has torn is no row.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path

from postward.state import StoreDown
from postward.store.journal import FIELD, SUFFIX, JournalRow

_MARK = FIELD.encode()
_MAX_ROWS = 10_000


class JournalReader:
    """Reads the journal in the directory `path`; never in a writer's way. Raises `StoreDown`."""

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        if not self._path.is_dir():
            raise StoreDown(f"there is no journal at {path}")

    def by_trace(self, prefix: str) -> list[JournalRow]:
        """Whose trace id begins with `prefix`, oldest first."""
        found = self._search(_spelled(prefix), whole=False)
        return _oldest_first(row for row in found if row.trace.startswith(prefix))

    def by_queue_id(self, queue_id: str) -> list[JournalRow]:
        """Of the message with this queue id, oldest first. (Postfix uses a short one again some day.)"""
        return _oldest_first(row for row in self._search(_spelled(queue_id)) if row.queue_id == queue_id)

    def by_address(self, address: str, limit: int) -> list[JournalRow]:
        """Where `address` is sender, recipient, login or client, newest first. Case does not matter."""
        name = address.lower()
        found = (
            row for row in self._search(_spelled(name)) if name in row.people or name == row.client.lower()
        )
        return _newest(found, limit)

    def latest(self, limit: int) -> list[JournalRow]:
        """Newest first."""
        return _newest(self._holding(b""), limit)

    def _search(self, key: bytes, *, whole: bool = True) -> Iterator[JournalRow]:
        """The rows with `key` as a field, or as the beginning of one."""
        return self._holding(_MARK + key + (_MARK if whole else b""))

    def _holding(self, needle: bytes) -> Iterator[JournalRow]:
        """The rows whose line holds `needle`, newest file first."""
        try:
            for path in sorted(self._path.glob(f"*{SUFFIX}"), reverse=True):
                yield from _rows(path, needle)
        except OSError as error:
            raise StoreDown(f"the journal cannot be read: {error}") from None


def _spelled(text: str) -> bytes:
    """`text` as the journal spells it. What no field can hold becomes a line feed, which finds nothing."""
    if not text or FIELD in text or "\n" in text:
        return b"\n"
    return text.encode("utf-8", "backslashreplace")


def _rows(path: Path, needle: bytes) -> Iterator[JournalRow]:
    """The rows of one file that hold `needle`, last line first."""
    try:
        stream = path.open("rb")
    except FileNotFoundError:  # the writer found it too old in this moment
        return
    with stream:
        if not path.stat().st_size:
            return
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as octets:
            end = octets.rfind(b"\n") + 1  # behind it: a torn line
            while end > 0:
                at = octets.rfind(needle or b"\n", 0, end)
                if at < 0:
                    return
                start = octets.rfind(b"\n", 0, at) + 1
                stop = octets.find(b"\n", at)
                row = _row(octets[start:stop])
                if row is not None:
                    yield row
                end = start


def _row(line: bytes) -> JournalRow | None:
    """One line, None if it is none."""
    time, *fields = line.decode("utf-8", "replace").split(FIELD)
    try:
        trace, queue_id, client, *people, body = fields
        return JournalRow(float(time), trace, queue_id, client, tuple(people), body)
    except ValueError:
        return None


def _oldest_first(rows: Iterator[JournalRow]) -> list[JournalRow]:
    found = [row for row, _ in zip(rows, range(_MAX_ROWS), strict=False)]
    return sorted(found, key=lambda row: row.time)


def _newest(rows: Iterator[JournalRow], limit: int) -> list[JournalRow]:
    """The newest `limit` rows. Files of several processes overlap in time, so all are looked at."""
    found: list[JournalRow] = []
    for row in rows:
        found.append(row)
        if len(found) >= 2 * _MAX_ROWS:
            break
    return sorted(found, key=lambda row: row.time, reverse=True)[:limit]
