"""A private Postfix: own configuration, queue, data and log below one directory; root is needed.

It never reads or writes /etc/postfix/main.cf. What it is told about Postward comes from
`postfix-conf/`, as on a real server; the rest stands in `_MAIN`. Mail for `domain` is delivered
to maildirs that can be read back; everything else goes nowhere (`discard`).

Three listeners on 127.0.0.1: `port` (like port 25), `submission_port` (SASL, no TLS) and
`eager_port`, which asks the policy service at each single stage (`smtpd_delay_reject=no`).
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.patience import free_port, listens, until
from postward.console import postfix_conf

_MAIN = """\
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
mail_owner = postfix
setgid_group = postdrop
maillog_file = {home}/mail.log
maillog_file_prefixes = {home}
myhostname = mx.{domain}
mydomain = {domain}
myorigin = {domain}
mydestination =
mynetworks =
inet_interfaces = 127.0.0.1
inet_protocols = all
alias_maps =
alias_database =
biff = no
default_transport = discard:
relay_transport = discard:
local_transport = discard:
virtual_mailbox_domains = {domain}
virtual_mailbox_maps = texthash:{home}/conf/mailboxes
virtual_mailbox_base = {home}/mail
virtual_transport = {transport}
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
smtpd_authorized_xclient_hosts = 0.0.0.0/0, [::]/0
smtpd_client_event_limit_exceptions = static:all
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0
smtpd_hard_error_limit = 1000
smtpd_recipient_limit = 1000
local_header_rewrite_clients =
in_flow_delay = 0
cyrus_sasl_config_path = {home}/conf/sasl
smtpd_sasl_path = smtpd
"""

_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{submission_port} inet n - n - - smtpd
  -o syslog_name=postfix/submission
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
{submission}127.0.0.1:{eager_port} inet n - n - - smtpd
  -o syslog_name=postfix/eager
  -o smtpd_delay_reject=no
{eager}pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

_EAGER_LISTS = ("smtpd_client_restrictions", "smtpd_helo_restrictions", "smtpd_sender_restrictions")
# Debian looks for smtpd.conf in `sasl` below the configuration directory, whatever the parameter says.
_SASL = """\
pwcheck_method: auxprop
auxprop_plugin: sasldb
mech_list: PLAIN LOGIN
sasldb_path: {home}/conf/sasl/users
"""


class Postfix:
    """A private Postfix below `home`.

    `doors`: which of policyd and milter it uses, and their sockets in Postfix's spelling
    (`unix:/path`). `users`: local parts that exist in `domain`; `logins`: login -> password for
    submission. `settings` are put at the end of main.cf. `deliver=False` throws accepted mail away.
    """

    def __init__(
        self,
        home: Path,
        *,
        doors: Mapping[str, str],
        domain: str = "example.org",
        users: Iterable[str] = ("alice", "bob"),
        logins: Mapping[str, str] | None = None,
        port: int = 0,
        submission_port: int = 0,
        settings: Mapping[str, str] | None = None,
        deliver: bool = True,
    ) -> None:
        self.home = home
        self.domain = domain
        self.users = tuple(users)
        self.logins = dict(logins or {})
        self.port = port or free_port()
        self.submission_port = submission_port or free_port()
        self.eager_port = free_port()
        self.doors = doors
        self._settings = dict(settings or {})
        self._transport = "virtual" if deliver else "discard:"

    # --- life -----------------------------------------------------------------------------------
    def start(self) -> Self:
        """Write the configuration, start, and wait until all listeners answer."""
        if os.geteuid() != 0:
            raise PermissionError("a private Postfix needs root: its master program does")
        self._make_directories()
        self._write_configuration()
        self._write_logins()
        self.run("postfix", "start")
        for port in (self.port, self.submission_port, self.eager_port):
            until(lambda port=port: listens(("127.0.0.1", port)), f"Postfix on port {port}")  # type: ignore[misc]
        return self

    def stop(self) -> None:
        """Stop it; safe to call twice."""
        pid = self.home / "queue/pid/master.pid"
        if self.run("postfix", "status", check=False).returncode == 0:
            self.run("postfix", "stop", check=False)
            until(lambda: not _is_running(pid), "Postfix to stop", within=30)

    def reload(self) -> None:
        """Make it read its configuration again."""
        self.run("postfix", "reload")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def run(self, program: str, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run one of Postfix's programs on this instance (`postfix`, `postqueue`, `postsuper` ...)."""
        done = subprocess.run(
            [program, "-c", str(self.home / "conf"), *arguments], capture_output=True, text=True, check=False
        )
        if check and done.returncode != 0:
            raise RuntimeError(
                f"{program} {' '.join(arguments)}: {done.stdout}{done.stderr}\n{self.log()[-2000:]}"
            )
        return done

    def master_pid(self) -> int:
        """The pid of master(8); all other processes are its children."""
        return int((self.home / "queue/pid/master.pid").read_text())

    # --- what became of the mail ------------------------------------------------------------------
    def log(self) -> str:
        """What it logged so far."""
        path = self.home / "mail.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def delivered(self, user: str) -> list[bytes]:
        """The mails in this user's maildir, oldest first."""
        box = self.home / "mail" / user / "new"
        files = (
            sorted(box.iterdir(), key=lambda path: (path.stat().st_mtime_ns, path.name))
            if box.is_dir()
            else []
        )
        return [path.read_bytes() for path in files]

    def wait_delivered(self, user: str, queue_id: str, *, within: float = 10.0) -> bytes:
        """The mail with this queue id, as it was written to the user's maildir."""
        mark = re.compile(rb"\bid %s\b" % queue_id.encode())
        found = until(
            lambda: [mail for mail in self.delivered(user) if mark.search(mail)],
            f"{queue_id} in the maildir of {user}",
            within=within,
        )
        return found[0]

    def wait_log(self, words: str, *, within: float = 10.0) -> str:
        """The first log line that holds `words`."""
        return until(
            lambda: next((line for line in self.log().splitlines() if words in line), ""),
            f"{words!r} in the mail log",
            within=within,
        )

    def on_hold(self) -> tuple[str, ...]:
        """Queue ids on the hold queue."""
        folder = self.home / "queue/hold"
        return tuple(path.name for path in folder.rglob("*") if path.is_file())

    def held_field(self, queue_id: str, name: str) -> str:
        """The first header field of this name in a message on the hold queue, unfolded."""
        command = ["postcat", "-c", str(self.home / "conf"), "-hq", queue_id]
        header = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        fields = re.sub(r"\n[ \t]+", " ", header).splitlines()
        return next(field.partition(": ")[2] for field in fields if field.startswith(f"{name}:"))

    def forget_mail(self) -> None:
        """Empty the maildirs."""
        for box in (self.home / "mail").iterdir():
            shutil.rmtree(box)

    # --- making it --------------------------------------------------------------------------------
    def _make_directories(self) -> None:
        for name in ("conf/sasl", "queue", "data", "mail"):
            (self.home / name).mkdir(parents=True, exist_ok=True)
        for path in (self.home, self.home / "conf", self.home / "queue"):
            path.chmod(0o755)
        shutil.chown(self.home / "data", "postfix", "postfix")
        os.chown(self.home / "mail", 65534, 65534)

    def _write_configuration(self) -> None:
        chosen = postfix_conf.settings(self.doors)
        main = _MAIN.format(home=self.home, domain=self.domain, transport=self._transport)
        main += postfix_conf.main_cf(chosen, {})
        main += "".join(f"{name} = {value}\n" for name, value in self._settings.items())
        asks = "policyd" in self.doors
        master = _MASTER.format(
            port=self.port,
            submission_port=self.submission_port,
            eager_port=self.eager_port,
            submission="".join(f"  {line.strip()}\n" for line in _options(postfix_conf.master_cf(chosen))),
            eager="".join(f"  -o {name}=$postward_policyd\n" for name in _EAGER_LISTS if asks),
        )
        boxes = "".join(f"{user}@{self.domain} {user}/\n" for user in self.users)
        for name, text in (("main.cf", main), ("master.cf", master), ("mailboxes", boxes)):
            path = self.home / "conf" / name
            path.write_text(text)
            os.utime(path, (0, 0))  # Postfix waits while a file is younger than two seconds

    def _write_logins(self) -> None:
        (self.home / "conf/sasl/smtpd.conf").write_text(_SASL.format(home=self.home))
        users = self.home / "conf/sasl/users"
        for login, password in self.logins.items():
            name, _, realm = login.partition("@")
            subprocess.run(
                ["saslpasswd2", "-p", "-c", "-f", str(users), "-u", realm, name],
                input=password.encode(),
                capture_output=True,
                check=True,
            )
        if users.exists():
            shutil.chown(users, "root", "postfix")
            users.chmod(0o640)


def _options(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip().startswith("-o")]


def _is_running(pid_file: Path) -> bool:
    """Whether that process lives; a dead one that nobody waits for (in a container) does not."""
    try:
        stat = Path(f"/proc/{int(pid_file.read_text())}/stat").read_text()
    except (OSError, ValueError):
        return False
    return stat.rpartition(") ")[2][:1] != "Z"
