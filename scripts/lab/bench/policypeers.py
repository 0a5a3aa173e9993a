"""Other policy services, each with a private configuration, none as a daemon of the machine."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from lab.bench.contender import Absent, Running
from lab.bench.processes import START_SECONDS, DidNotStart, end, last_words, started, wait_until
from lab.bench.programs import Programs
from lab.patience import free_port, listens

HERE = Path(__file__).parent
GREYLIST_DELAY = 1  # seconds

# A small site: one limit and one condition, as the examples of its manual.
POSTFWD_RULES = """\
id=LIMIT; protocol_state==RCPT; action=rate(sender_domain/100000/60/450 4.7.1 too many messages)
id=NOPTR; reverse_client_name=^unknown$; action=450 4.7.1 no reverse name
id=LAST; action=DUNNO
"""

Start = Callable[[Path], AbstractContextManager[Running]]


def need(program: str, package: str) -> str:
    """The path of an installed program. Raises Absent."""
    path = shutil.which(program)
    if path is None:
        raise Absent(f"{program} is not installed (apt-get install {package}, or --install-peers)")
    return path


@contextmanager
def _on_socket(home: Path, command: list[str]) -> Iterator[Running]:
    """Run `command`, which listens on `home`/socket."""
    socket, log = home / "socket", home / "log"
    socket.unlink(missing_ok=True)
    with started(command, log) as process:
        wait_until(lambda: listens(socket), process, log)
        yield Running(f"unix:{socket}", (process.pid,))


def echo_in_c(programs: Programs) -> Start:
    @contextmanager
    def start(home: Path) -> Iterator[Running]:
        with _on_socket(home, [str(programs.policyecho()), f"unix:{home / 'socket'}"]) as running:
            yield running

    return start


@contextmanager
def echo_on_uvloop(home: Path) -> Iterator[Running]:
    with _on_socket(
        home, [sys.executable, "-P", str(HERE / "uvloopecho.py"), str(home / "socket")]
    ) as running:
        yield running


def _postgrey(home: Path) -> list[str]:
    program = need("postgrey", "postgrey")
    return [program, f"--dbdir={home}", f"--delay={GREYLIST_DELAY}", "--user=root", "--group=root"]


@contextmanager
def postgrey(home: Path) -> Iterator[Running]:
    with _on_socket(home, [*_postgrey(home), f"--unix={home / 'socket'}"]) as running:
        yield running


@contextmanager
def postgrey_inet(home: Path) -> Iterator[Running]:
    port, log = free_port(), home / "log"
    with started([*_postgrey(home), f"--inet=127.0.0.1:{port}"], log) as process:
        wait_until(lambda: listens(("127.0.0.1", port)), process, log)
        yield Running(f"inet:127.0.0.1:{port}", (process.pid,))


@contextmanager
def postfwd1(home: Path) -> Iterator[Running]:
    with _postfwd(home, [need("postfwd1", "postfwd"), "-d"]) as running:
        yield running


@contextmanager
def postfwd2(home: Path) -> Iterator[Running]:
    command = [need("postfwd2", "postfwd"), "--cache_socket", f"unix::{home / 'cache'}"]
    with _postfwd(home, command) as running:
        yield running


@contextmanager
def _postfwd(home: Path, command: list[str]) -> Iterator[Running]:
    """It must become a daemon (its limits do not work otherwise): found again by its pid file."""
    port, rules, pid_file, log = free_port(), home / "rules", home / "pid", home / "log"
    rules.write_text(POSTFWD_RULES)
    shutil.chown(home, "nobody", "nogroup")
    command += ["-f", str(rules), "-i", "127.0.0.1", "-p", str(port), "--pidfile", str(pid_file)]
    command += ["-n", "-u", "nobody", "-g", "nogroup"]
    with log.open("ab") as out:
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False)
    until = time.monotonic() + START_SECONDS
    while not (pid_file.exists() and listens(("127.0.0.1", port))):
        if time.monotonic() > until:
            raise DidNotStart(last_words(log))
        time.sleep(0.05)
    root = int(pid_file.read_text())
    try:
        yield Running(f"inet:127.0.0.1:{port}", (root,))
    finally:
        end(root)


@contextmanager
def policyd_spf(home: Path) -> Iterator[Running]:
    """One process a connection, as Postfix's spawn(8) starts it; it asks the resolver of the machine."""
    program, configuration = need("policyd-spf", "postfix-policyd-spf-python"), home / "policyd-spf.conf"
    configuration.write_text("debugLevel = 1\nTestOnly = 1\nHELO_reject = Fail\nMail_From_reject = Fail\n")
    spawner = [sys.executable, "-P", str(HERE / "spawner.py"), str(home / "socket")]
    with _on_socket(home, [*spawner, program, str(configuration)]) as running:
        yield running
