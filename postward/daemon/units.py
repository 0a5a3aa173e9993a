"""Durations, sizes and listen addresses as people write them in `postward.yml`."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator

from postward.duration import UNITS

_QUANTITY = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)([A-Za-z]+)\Z")
_SECONDS = {"ms": 0.001, **UNITS}
_OCTETS = {"k": 1000, "M": 1000**2, "G": 1000**3}
_MAX_UNIX_PATH = 107  # sizeof(sockaddr_un.sun_path) - 1 on Linux


def _quantity(text: Any, units: dict[str, float] | dict[str, int], example: str) -> float:
    match = _QUANTITY.match(text) if isinstance(text, str) else None
    if match is None or match[2] not in units:
        raise ValueError(f"write a number and a unit ({', '.join(units)}), such as {example}")
    return float(match[1]) * units[match[2]]


def seconds(text: Any) -> float:
    """`8s`, `5m`, `1.5h`, `30d` in seconds. Raises ValueError."""
    return _quantity(text, _SECONDS, "30s")


def octets(text: Any) -> int:
    """`500M`, `64k` (powers of ten) in octets. Raises ValueError."""
    return int(_quantity(text, _OCTETS, "500M"))


@dataclass(frozen=True, slots=True)
class Listen:
    """Where a door listens: the path of a unix socket, or an address and a TCP port."""

    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def listen(text: Any) -> Listen:
    """`unix:/path`, `192.0.2.1:10040` or `[::1]:10040`. Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError("write unix:/path or address:port")
    if text.startswith("unix:"):
        return Listen(path=_unix_path(text.removeprefix("unix:")))
    host, port = address_and_port(text.removeprefix("inet:"))
    return Listen(host=host, port=port)


def address_and_port(text: Any) -> tuple[str, int]:
    """`192.0.2.1:53` or `[::1]:53`. Names are refused: they would need the DNS. Raises ValueError."""
    host, colon, port = str(text).rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError("write an IPv6 address in brackets, such as [::1]:10040")
    if host == "localhost":
        host = "127.0.0.1"
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ValueError("write address:port, such as 127.0.0.1:10040") from None
    if not (colon and port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        raise ValueError("the port must be a number from 1 to 65535")
    return host, int(port)


def socket_mode(text: Any) -> int:
    """`"0660"`, in quotes, as the bits of chmod(2). Raises ValueError."""
    if not isinstance(text, str) or not re.fullmatch(r"0?[0-7]{3}", text):
        raise ValueError('write the mode in quotes, such as "0660"')
    return int(text, 8)


def _unix_path(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("the path of a unix socket must be absolute, such as unix:/run/postward/milter")
    if len(path.encode()) > _MAX_UNIX_PATH:
        raise ValueError(f"the path of a unix socket may have {_MAX_UNIX_PATH} octets at most")
    return path


Seconds = Annotated[float, BeforeValidator(seconds)]
Octets = Annotated[int, BeforeValidator(octets)]
ListenAddress = Annotated[Listen, BeforeValidator(listen)]
ServerAddress = Annotated[tuple[str, int], BeforeValidator(address_and_port)]
SocketMode = Annotated[int, BeforeValidator(socket_mode)]
