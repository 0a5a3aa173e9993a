"""Other milters, each with a private configuration, none as a daemon of the machine."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from lab.bench.contender import Absent, Running
from lab.bench.policypeers import need
from lab.bench.processes import started, wait_until
from lab.bench.programs import Programs
from lab.patience import listens

HERE = Path(__file__).parent
AUTHSERV_ID = "mx.example.org"
RSPAMD_WORKERS = 4

Start = Callable[[Path], AbstractContextManager[Running]]

_OPENDKIM = """\
Mode v
Socket local:{home}/socket
UMask 000
Background no
AuthservID {authserv_id}
Nameservers 127.0.0.1
Syslog no
"""

_OPENDMARC = """\
Socket local:{home}/socket
UMask 000
Background false
AuthservID {authserv_id}
TrustedAuthservIDs {authserv_id}
SPFIgnoreResults true
SPFSelfValidate true
RejectFailures false
Syslog false
"""

_RSPAMD_DEFAULT = '.include "$CONFDIR/common.conf"\n'

# SPF, DKIM and DMARC alone, and the field that tells their results.
_RSPAMD_ONLY = """\
modules {
  path = "$PLUGINSDIR/spf.lua";
  path = "$PLUGINSDIR/dmarc.lua";
  path = "$PLUGINSDIR/milter_headers.lua";
}
spf { spf_cache_size = 2k; }
dkim { dkim_cache_size = 2k; }
dmarc { }
metric { name = "default"; actions { reject = 1500; add_header = 600; greylist = 400; } }
"""

_RSPAMD = """\
options {{
  pidfile = "{home}/rspamd.pid";
  filters = "{filters}";
  tempdir = "{home}";
  control_socket = "{home}/control mode=0600";
  dns {{ nameserver = ["127.0.0.1:53:1"]; timeout = 2s; retransmits = 1; }}
  local_addrs = ["127.0.0.0/8"];
}}
logging {{ type = "file"; filename = "{home}/rspamd.log"; level = "warning"; }}
worker "rspamd_proxy" {{
  bind_socket = "{home}/socket mode=0666";
  milter = yes;
  timeout = 120s;
  count = {workers};
  upstream "local" {{ default = yes; self_scan = yes; }}
}}
{modules}
milter_headers {{ use = ["authentication-results"]; }}
"""


def postfix_alone(home: Path) -> AbstractContextManager[Running]:
    """No milter at all."""

    @contextmanager
    def start() -> Iterator[Running]:
        yield Running("", ())

    return start()


@contextmanager
def _on_socket(home: Path, command: list[str]) -> Iterator[Running]:
    socket, log = home / "socket", home / "log"
    socket.unlink(missing_ok=True)
    with started(command, log) as process:
        wait_until(lambda: listens(socket), process, log)
        yield Running(f"unix:{socket}", (process.pid,))


def null_in_c(programs: Programs, mode: str) -> Start:
    @contextmanager
    def start(home: Path) -> Iterator[Running]:
        with _on_socket(home, [str(programs.nullmilter()), f"unix:{home / 'socket'}", mode]) as running:
            yield running

    return start


@contextmanager
def null_on_pymilter(home: Path) -> Iterator[Running]:
    command = [sys.executable, "-P", str(HERE / "nullpymilter.py"), f"unix:{home / 'socket'}"]
    with _on_socket(home, command) as running:
        yield running


@contextmanager
def opendkim(home: Path) -> Iterator[Running]:
    program, configuration = need("opendkim", "opendkim"), home / "opendkim.conf"
    configuration.write_text(_OPENDKIM.format(home=home, authserv_id=AUTHSERV_ID))
    with _on_socket(home, [program, "-f", "-x", str(configuration)]) as running:
        yield running


@contextmanager
def opendmarc(home: Path) -> Iterator[Running]:
    program, configuration = need("opendmarc", "opendmarc"), home / "opendmarc.conf"
    configuration.write_text(_OPENDMARC.format(home=home, authserv_id=AUTHSERV_ID))
    with _on_socket(home, [program, "-f", "-c", str(configuration)]) as running:
        yield running


@contextmanager
def opendkim_and_opendmarc(home: Path) -> Iterator[Running]:
    for name in ("opendkim", "opendmarc"):
        (home / name).mkdir(exist_ok=True)
    with opendkim(home / "opendkim") as first, opendmarc(home / "opendmarc") as second:
        yield Running(f"{first.address}, {second.address}", first.roots + second.roots)


@contextmanager
def rspamd_only(home: Path) -> Iterator[Running]:
    with _rspamd(home, "dkim", _RSPAMD_ONLY) as running:
        yield running


@contextmanager
def rspamd_default(home: Path) -> Iterator[Running]:
    if not Path("/etc/rspamd/common.conf").exists():
        raise Absent("/etc/rspamd/common.conf is not there")
    with _rspamd(home, "chartable,dkim,regexp", _RSPAMD_DEFAULT) as running:
        yield running


@contextmanager
def _rspamd(home: Path, filters: str, modules: str) -> Iterator[Running]:
    program, configuration = need("rspamd", "rspamd"), home / "rspamd.conf"
    configuration.write_text(
        _RSPAMD.format(home=home, workers=RSPAMD_WORKERS, filters=filters, modules=modules)
    )
    command = [program, "--insecure", "--no-fork", "--config", str(configuration)]
    for name in ("DBDIR", "RUNDIR", "LOGDIR"):
        command += ["--var", f"{name}={home}"]
    with _on_socket(home, command) as running:
        yield running
