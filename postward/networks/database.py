"""The database of networks of a site: its files, read again only when they changed, and a cache before them.

A file that cannot be used is told in the log; what was read of it before stays, so that an update that
went wrong takes nothing away.
"""

import gzip
import io
import logging
import os
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import BinaryIO

from postward.mail import IPAddress
from postward.networks.broken import BrokenDatabase
from postward.networks.mmdb import MARKER, Mmdb
from postward.networks.table import Table, read_table
from postward.tools import Network, Networks

MAX_OCTETS = 256_000_000  # of a file, unpacked
CACHE = 16_384  # addresses; 4 MB
_GZIP = b"\x1f\x8b"
_METADATA = 128 * 1024  # octets at the end of an MMDB file in which its marker stands
_log = logging.getLogger("postward.networks")

Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Source:
    """What was read of one file, and which state of the file that was."""

    path: Path
    stamp: Stamp
    networks: Table | Mmdb


class Database:
    """Implements `postward.tools.Networks`: the first of the files that knows an address."""

    def __init__(self, sources: tuple[Source, ...]) -> None:
        self.sources = sources
        self._cached: Callable[[int, int], Network | None] = lru_cache(maxsize=CACHE)(self._find)

    def find(self, address: IPAddress) -> Network | None:
        """A microsecond, where the address was met lately: its number is the key, not its slow object."""
        return self._cached(int(address), address.version)

    def _find(self, number: int, version: int) -> Network | None:
        address = IPv4Address(number) if version == 4 else IPv6Address(number)
        found = (source.networks.find(address) for source in self.sources)
        return next((network for network in found if network is not None), None)


def open_networks(files: Iterable[Path], before: Networks) -> Networks:
    """The database in these files; of `before` is kept what did not change or cannot be read now.

    Takes seconds for a large file: call it in a thread.
    """
    known = {source.path: source for source in before.sources} if isinstance(before, Database) else {}
    sources = []
    for path in files:
        try:
            sources.append(load(path, known.get(path)))
        except BrokenDatabase as broken:
            old = known.get(path)
            _log.error("networks: %s; %s", broken, "the one read before stays" if old else "it is left out")
            sources += [old] if old else []
    if isinstance(before, Database) and tuple(sources) == before.sources:
        return before  # with its cache
    return Database(tuple(sources))


def load(path: Path, known: Source | None = None) -> Source:
    """What the file at `path` holds; `known` where it has not changed since. Raises BrokenDatabase."""
    try:
        with path.open("rb") as stream:
            status = os.fstat(stream.fileno())
            stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
            if known is not None and known.stamp == stamp:
                return known
            if status.st_size > MAX_OCTETS:
                raise BrokenDatabase(f"{path}: larger than {MAX_OCTETS} octets")
            networks = _networks(stream, str(path))
    except (OSError, EOFError, zlib.error) as error:
        raise BrokenDatabase(f"{path}: cannot be read ({error.__class__.__name__}: {error})") from None
    _log.info("networks: %s read", path)
    return Source(path, stamp, networks)


def _networks(stream: BinaryIO, file: str) -> Table | Mmdb:
    if stream.read(len(_GZIP)) == _GZIP:
        stream.seek(0)
        with gzip.open(stream) as packed:
            octets = packed.read(MAX_OCTETS + 1)
        if len(octets) > MAX_OCTETS:
            raise BrokenDatabase(f"{file}: larger than {MAX_OCTETS} octets when it is unpacked")
        stream = io.BytesIO(octets)
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - _METADATA))
    is_mmdb = MARKER in stream.read(_METADATA)
    stream.seek(0)
    if is_mmdb:
        return Mmdb(stream.read(MAX_OCTETS), file)
    with io.TextIOWrapper(stream, "utf-8-sig", errors="replace", newline="") as text:
        return read_table(text, file)
