"""A real nsd that is authoritative for the root, so that it answers for every name there is.

One zone file holds all names, forward and reverse; a name that is not in it does not exist
(NXDOMAIN). A zone named in `broken` answers SERVFAIL. `Unbound` is a real recursive resolver with a
cache in front of it, as a mail server has one. Loopback only, started as children.
"""

import ipaddress
import subprocess
from collections.abc import Mapping
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


_RESOLVER = """\
server:
  interface: 127.0.0.1
  port: {port}
  username: ""
  chroot: ""
  directory: "{home}"
  pidfile: "{home}/unbound.pid"
  use-syslog: no
  logfile: ""
  do-ip6: no
  num-threads: 1
  module-config: "iterator"
  do-not-query-localhost: no
  unblock-lan-zones: yes
  insecure-lan-zones: yes
  local-zone: "test." nodefault
  local-zone: "invalid." nodefault
remote-control:
  control-enable: no
"""

_ROOT = """\
stub-zone:
  name: "."
  stub-addr: 127.0.0.1@{port}
"""

_FORWARD = """\
forward-zone:
  name: "{zone}"
  forward-addr: 127.0.0.1@{port}
"""


class _Server:
    """A DNS server as a child of ours, in the foreground."""

    program: str
    options: tuple[str, ...] = ("-d", "-c")

    def __init__(self, home: Path, port: int, configuration: str) -> None:
        self.home = home
        self.port = port
        self._name = Path(self.program).name
        self._configuration = home / f"{self._name}.conf"
        self._configuration.write_text(configuration)
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """`127.0.0.1:port`, as `dns.servers` of the configuration wants it."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Start it and wait until it answers."""
        log = (self.home / f"{self._name}.out").open("wb")
        with log:
            self._child = subprocess.Popen(
                [self.program, *self.options, str(self._configuration)],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(self._up, f"{self._name} on port {self.port}")
        return self

    def _up(self) -> bool:
        assert self._child is not None
        if self._child.poll() is not None:
            words = [
                path.read_text()
                for path in sorted(self.home.glob(f"{self._name}.*"))
                if path.suffix in {".out", ".log"}
            ]
            raise RuntimeError(f"{self._name} does not start:\n" + "\n".join(words))
        return listens(("127.0.0.1", self.port))

    @property
    def pid(self) -> int:
        """Its process id while it runs."""
        assert self._child is not None
        return self._child.pid

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


class Dns(_Server):
    """One nsd. `zone` is master-file text with absolute names (RFC 1035 5); no SOA or NS needed."""

    program = "/usr/sbin/nsd"

    def __init__(self, home: Path, zone: str, *, broken: tuple[str, ...] = (), port: int = 0) -> None:
        port = port or free_port()
        home.mkdir(parents=True, exist_ok=True)
        configuration = _CONFIGURATION.format(port=port, home=home)
        configuration += "".join(_BROKEN.format(zone=name) for name in broken)
        super().__init__(home, port, configuration)
        self.write(zone)

    def write(self, zone: str) -> None:
        """Put this zone in place of the present one; it is served from the next start on."""
        (self.home / "root.zone").write_text(_HEAD + zone)


class Unbound(_Server):
    """One unbound whose root is the server on port `root`; a zone of `forwards` is asked for at another.

    What the root delegates is asked for at port 53 of the addresses that it gives, as it is in the world.
    """

    program = "/usr/sbin/unbound"

    def __init__(
        self, home: Path, root: int, forwards: Mapping[str, int] | None = None, *, port: int = 0
    ) -> None:
        port = port or free_port()
        home.mkdir(parents=True, exist_ok=True)
        configuration = _RESOLVER.format(port=port, home=home) + _ROOT.format(port=root)
        configuration += "".join(_FORWARD.format(zone=zone, port=at) for zone, at in (forwards or {}).items())
        super().__init__(home, port, configuration)


def ptr(address: str, name: str) -> str:
    """Zone lines for a host: its PTR, nothing else."""

    return f"{ipaddress.ip_address(address).reverse_pointer}. PTR {name}.\n"


def host(name: str, address: str) -> str:
    """Zone lines for a host whose name and address point at each other."""
    kind = "AAAA" if ":" in address else "A"
    return f"{name}. {kind} {address}\n" + ptr(address, name)
