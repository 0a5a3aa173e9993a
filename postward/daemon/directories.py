"""The directories that a daemon needs: made where it may, else named with the command that makes them."""

import grp
import logging
import pwd
import stat
from collections.abc import Iterable
from pathlib import Path

from postward.daemon.config import Settings
from postward.daemon.start import CannotStart, install_line
from postward.daemon.units import Listen

_MAIL_OWNER = "postfix"  # postconf(5) mail_owner: the user that smtpd runs as
_log = logging.getLogger("postward.daemon")


def make_missing(settings: Settings) -> None:
    """Make the directories of key, store and journal that are not there. Raises CannotStart.

    Only the last part of a path: a missing parent is more likely a slip of the pen.
    """
    files = {"findings_key": settings.findings_key}
    if settings.store.kind != "memory":
        files["store"] = settings.store.path
    if settings.journal is not None:
        files["journal"] = settings.journal.path
    for name, directory in {name: path.parent for name, path in files.items()}.items():
        try:
            if not directory.is_dir():
                directory.mkdir(mode=0o750, exist_ok=True)
        except OSError as error:
            why = f"{name}: cannot make the directory {directory} ({error.strerror})"
            raise CannotStart(f"{why}; make it: {install_line(directory)}") from None


def warn_of_closed_doors(listens: Iterable[Listen]) -> None:
    """Say in the log which unix sockets Postfix's own user may not open: all mail would be deferred."""
    for address in listens:
        closed = closed_to(_MAIL_OWNER, address.path) if address.path else ""
        if closed:
            _log.warning(
                "Postfix will not reach %s: user %s may not open %s; let its group be %s",
                address, _MAIL_OWNER, closed, _MAIL_OWNER,
            )  # fmt: skip


def closed_to(user: str, path: str) -> str:
    """The directory on the way to a socket, or the socket, that `user` may not pass; "" for none.

    By owner, group and mode alone (no ACL). A user who does not exist is no reason to complain.
    """
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        return ""
    groups = {entry.pw_gid, *(each.gr_gid for each in grp.getgrall() if user in each.gr_mem)}
    steps = [(str(step), stat.S_IXOTH) for step in reversed(Path(path).parents)]
    for step, wanted in [*steps, (path, stat.S_IROTH | stat.S_IWOTH)]:
        found = Path(step).stat()
        shift = 6 if found.st_uid == entry.pw_uid else 3 if found.st_gid in groups else 0
        if (found.st_mode >> shift) & wanted != wanted:
            return step
    return ""
