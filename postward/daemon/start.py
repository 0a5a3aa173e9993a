"""What a daemon needs before it can serve: listening sockets and the key that both doors share."""

import errno
import grp
import os
import pwd
import secrets
import socket
import stat
from collections.abc import Sequence
from pathlib import Path

from postward.daemon.units import Listen

_BACKLOG = 1024
_KEY_OCTETS = 32
_MAX_KEY = 4_096  # octets that are read of it


class CannotStart(Exception):
    """Why a daemon cannot begin its work; the text tells a person what to do."""


def bind(addresses: Sequence[Listen], mode: int) -> list[socket.socket]:
    """Listening, non-blocking sockets for `addresses`; unix sockets get `mode` (chmod(2) bits).

    A socket that a dead daemon left behind is replaced, one that somebody answers on is not.
    """
    bound: list[socket.socket] = []
    try:
        for address in addresses:
            bound.append(_unix(address.path, mode) if address.path else _tcp(address))
            bound[-1].listen(_BACKLOG)
            bound[-1].setblocking(False)
    except BaseException:
        for listener in bound:
            listener.close()
        raise
    return bound


def unlink(listeners: Sequence[socket.socket], inodes: Sequence[int]) -> None:
    """Remove the unix sockets from the file system, unless somebody put others in their place."""
    for listener, inode in zip(listeners, inodes, strict=True):
        if inode and inode == _inode_at(listener.getsockname()):
            Path(listener.getsockname()).unlink(missing_ok=True)


def inode(listener: socket.socket) -> int:
    """The inode of a unix socket's name in the file system, 0 for TCP."""
    return _inode_at(listener.getsockname()) if listener.family == socket.AF_UNIX else 0


def findings_key(path: Path) -> bytes:
    """The key that signs policyd's findings; made when there is none yet.

    Two daemons that start at the same moment get the same key: it appears whole under its name
    or not at all. Refused: a key that others may read or its group may change, and one that is too short.
    """
    try:
        if not path.exists():
            _make_key(path)
        key = _read_key(path)
    except OSError as error:
        raise CannotStart(f"findings_key: {path}: {_key_trouble(error, path)}") from None
    if len(key) < _KEY_OCTETS:
        raise CannotStart(f"findings_key: {path} holds {len(key)} octets, not {_KEY_OCTETS}: remove it")
    return key


def install_line(directory: Path, group: str = "") -> str:
    """The command that makes `directory` for the user of this process, and for `group` if it is given."""
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
        group = group or grp.getgrgid(os.getegid()).gr_name
    except KeyError:  # a container may run us by a number without a name
        user, group = str(os.geteuid()), group or str(os.getegid())
    return f"install -d -o {user} -g {group} -m 0750 {directory}"


def _key_trouble(error: OSError, path: Path) -> str:
    why = error.strerror or str(error)
    if error.errno in (errno.ENOENT, errno.EACCES, errno.ENOTDIR):
        return f"{why}; it needs a directory that is ours: {install_line(path.parent)}"
    return why


def _read_key(path: Path) -> bytes:
    """The octets of the very file that was looked at. Never waits for a pipe to be written."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
        mode = os.fstat(stream.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise CannotStart(f"findings_key: {path} is no file: remove it")
        if mode & stat.S_IRWXO:
            raise CannotStart(
                f"{path} can be read by everybody: remove it, or chmod 0640 it if it never leaked"
            )
        if mode & stat.S_IWGRP:
            raise CannotStart(f"{path} can be changed by its group: remove it, or chmod 0640 it")
        return stream.read(_MAX_KEY)


def _make_key(path: Path) -> None:
    # A name that nobody can guess, and never through a link (THREATS E13).
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(secrets.token_bytes(_KEY_OCTETS))
            stream.flush()
            os.fsync(stream.fileno())
        os.link(fresh, path)
    except FileExistsError:
        return  # the other daemon was faster: its key is the key
    finally:
        fresh.unlink()


def _tcp(address: Listen) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Inherited by what is accepted: short packets both ways stall without it.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address.host, address.port))
    except OSError as error:
        listener.close()
        raise CannotStart(f"cannot listen on {address}: {error.strerror}") from None
    return listener


def _unix(path: str, mode: int) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o777 & ~mode)
    try:
        _clear_stale(path)
        listener.bind(path)
        os.chmod(path, mode)  # noqa: PTH101  # a socket address is text
    except OSError as error:
        listener.close()
        raise CannotStart(f"cannot listen on unix:{path}: {_why(error, path)}") from None
    except CannotStart:
        listener.close()
        raise
    finally:
        os.umask(mask)
    return listener


def _clear_stale(path: str) -> None:
    """Remove the socket of a daemon that died."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise CannotStart(f"cannot listen on unix:{path}: there is a file that is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)  # noqa: PTH108  # as above
            return
        except OSError as error:
            if error.errno != errno.EAGAIN:  # EAGAIN: its backlog is full, so somebody is there
                raise
    raise CannotStart(f"cannot listen on unix:{path}: another process answers there already")


def _why(error: OSError, path: str) -> str:
    if error.errno == errno.ENOENT:
        parent = Path(path).parent
        return f"there is no directory {parent}; make it: {install_line(parent, 'postfix')}"
    return error.strerror or str(error)


def _inode_at(path: str) -> int:
    try:
        return os.lstat(path).st_ino
    except OSError:
        return 0
