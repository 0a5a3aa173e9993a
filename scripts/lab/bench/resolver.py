"""The resolver of the bench: unbound on 127.0.0.1:53 in front of the lab's nsd, for all contenders.

The bench runs in a network namespace of its own, so port 53 is free and nothing leaves the machine;
its /etc/resolv.conf names this resolver. Without unbound, nsd answers there itself. All answers, also
that a name does not exist, hold for an hour: once a contender is warm it stays so.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lab.bench.processes import pinned, started, wait_until
from lab.dns import Dns
from lab.patience import listens

ADDRESS = "127.0.0.1:53"
HOLDS = 3600  # seconds

_UNBOUND = """\
server:
  directory: "{home}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  interface: 127.0.0.1
  port: 53
  do-ip6: no
  do-not-query-localhost: no
  module-config: "iterator"
  msg-cache-size: 32m
  rrset-cache-size: 64m
remote-control:
  control-enable: no
stub-zone:
  name: "."
  stub-addr: 127.0.0.1@{port}
"""


@contextmanager
def resolver(home: Path, zone: str, core: int) -> Iterator[None]:
    """Serve `zone` on 127.0.0.1:53, on this core."""
    home.mkdir()
    has_unbound = shutil.which("unbound") is not None
    with ExitStack() as stack:
        with pinned([core]):
            dns = Dns(home / "nsd", zone, port=0 if has_unbound else 53)
            make_lasting(dns.home / "root.zone")
            stack.enter_context(dns)
            if has_unbound:
                configuration, log = home / "unbound.conf", home / "unbound.log"
                configuration.write_text(_UNBOUND.format(home=home, port=dns.port))
                process = stack.enter_context(started(["unbound", "-d", "-c", str(configuration)], log))
                wait_until(lambda: listens(("127.0.0.1", 53)), process, log)
        yield


def make_lasting(zone_file: Path) -> None:
    """Let what this zone says hold for `HOLDS` seconds, also what it has not (RFC 2308 5)."""
    text = zone_file.read_text()
    text, ttls = re.subn(r"(?m)^\$TTL [0-9]+$", f"$TTL {HOLDS}", text, count=1)
    text, minimums = re.subn(r"(?m)^(\. SOA .*) [0-9]+$", rf"\1 {HOLDS}", text, count=1)
    if (ttls, minimums) != (1, 1):
        raise ValueError(f"{zone_file} has no $TTL or no SOA of the root")
    zone_file.write_text(text)
