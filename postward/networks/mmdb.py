"""Databases of networks in MaxMind's format (MMDB): GeoLite2-ASN, db-ip.com, ipinfo.

All of the file is held in memory, and read by the library's own Python: a file that is truncated under a
memory map ends the process, and a broken one must not do that either. A look-up takes 10 us and is
cached by the caller.
"""

import struct
from io import BytesIO
from typing import Any

import maxminddb
from maxminddb.const import MODE_FD
from maxminddb.errors import InvalidDatabaseError

from postward.mail import IPAddress
from postward.networks.broken import BrokenDatabase
from postward.tools import Network

MARKER = b"\xab\xcd\xefMaxMind.com"
# What the library lets out when the octets make no sense: a pointer to nowhere or to itself, a text
# that is no UTF-8, a number that is cut off, metadata without or with other keys, a size of terabytes.
_NONSENSE = (
    InvalidDatabaseError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError,
    MemoryError, struct.error,
)  # fmt: skip
_ASN = ("autonomous_system_number", "asn", "as_number")
_NAME = ("autonomous_system_organization", "as_name", "name", "organization")
_COUNTRY = ("country_code", "country", "as_country")
_MAX_NAME = 100


class Mmdb:
    """Implements `postward.tools.Networks`, without a cache."""

    def __init__(self, octets: bytes, file: str) -> None:
        """Raises BrokenDatabase."""
        try:
            self._reader = maxminddb.open_database(BytesIO(octets), MODE_FD)
            self._has_ipv6 = self._reader.metadata().ip_version == 6
        except _NONSENSE as error:
            why = f"{type(error).__name__}: {error}"
            raise BrokenDatabase(f"{file}: no database in MaxMind's format ({why})") from None

    def find(self, address: IPAddress) -> Network | None:
        if address.version == 6 and not self._has_ipv6:
            return None
        try:
            record = self._reader.get(address)
            return _network(record) if isinstance(record, dict) else None
        except _NONSENSE:  # this part of the file is broken: nothing is known of the address
            return None


def _network(record: dict[str, Any]) -> Network | None:
    asn = _first(record, _ASN)
    if isinstance(asn, str):  # ipinfo: "AS64500"
        digits = asn[2:] if asn[:2].upper() == "AS" else asn
        asn = int(digits) if digits.isdecimal() and len(digits) <= 10 else 0
    if not isinstance(asn, int) or not 0 < asn < 2**32:
        return None
    name, country = _first(record, _NAME), _first(record, _COUNTRY)
    return Network(
        asn,
        name[:_MAX_NAME] if isinstance(name, str) else "",
        country[:_MAX_NAME] if isinstance(country, str) else "",
    )


def _first(record: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((record[name] for name in names if name in record), None)
