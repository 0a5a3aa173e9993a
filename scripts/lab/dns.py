"""A real nsd that is authoritative for the root, so that it answers for every name there is.

One zone file holds all names, forward and reverse; a name that is not in it does not exist
(NXDOMAIN). A zone named in `broken` answers SERVFAIL. Loopback only, started as a child.
"""

import ipaddress
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.patience import free_port, listens, until

_HEAD = """\
$ORIGIN .
$TTL 300
. SOA ns.lab. hostmaster.lab. 1 3600 600 86400 60
. NS ns.lab.
ns.lab. A 127.0.0.1
"""

_CONFIGURATION = """\
server:
  ip-address: 127.0.0.1@{port}
  username: ""
  chroot: ""
  server-count: 1
  database: ""
  zonesdir: "{home}"
  pidfile: "{home}/nsd.pid"
  xfrdfile: "{home}/xfrd.state"
  zonelistfile: "{home}/zone.list"
  xfrdir: "{home}"
  logfile: "{home}/nsd.log"
  hide-version: yes
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: "."
  zonefile: "root.zone"
"""

_BROKEN = """\
zone:
  name: "{zone}"
  zonefile: "does-not-exist.zone"
"""


class Dns:
    """One nsd. `zone` is master-file text with absolute names (RFC 1035 5); no SOA or NS needed."""

    def __init__(self, home: Path, zone: str, *, broken: tuple[str, ...] = (), port: int = 0) -> None:
        self.home = home
        self.port = port or free_port()
        home.mkdir(parents=True, exist_ok=True)
        (home / "root.zone").write_text(_HEAD + zone)
        configuration = _CONFIGURATION.format(port=self.port, home=home)
        configuration += "".join(_BROKEN.format(zone=name) for name in broken)
        (home / "nsd.conf").write_text(configuration)
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """`127.0.0.1:port`, as `dns.servers` of the configuration wants it."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Start it and wait until it answers."""
        log = (self.home / "nsd.out").open("wb")
        with log:
            self._child = subprocess.Popen(
                ["/usr/sbin/nsd", "-d", "-c", str(self.home / "nsd.conf")],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(self._up, f"nsd on port {self.port}")
        return self

    def _up(self) -> bool:
        assert self._child is not None
        if self._child.poll() is not None:
            words = [
                path.read_text()
                for path in sorted(self.home.glob("nsd.*"))
                if path.suffix in {".out", ".log"}
            ]
            raise RuntimeError("nsd does not start:\n" + "\n".join(words))
        return listens(("127.0.0.1", self.port))

    def stop(self) -> None:
        """Stop it; safe to call twice."""
        if self._child is not None:
            self._child.terminate()
            self._child.wait(10)
            self._child = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def ptr(address: str, name: str) -> str:
    """Zone lines for a host: its PTR, nothing else."""

    return f"{ipaddress.ip_address(address).reverse_pointer}. PTR {name}.\n"


def host(name: str, address: str) -> str:
    """Zone lines for a host whose name and address point at each other."""
    kind = "AAAA" if ":" in address else "A"
    return f"{name}. {kind} {address}\n" + ptr(address, name)
