"""The list files of a configuration directory: changed one at a time, checked before they are replaced.

A change is made on a copy of the configuration directory; only when all of it is valid does the new file
take the old one's place, in one step, with the old one's owner and mode. Whoever comes second waits.
"""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from postward.console.list_text import CannotEdit
from postward.console.options import Trouble
from postward.daemon.configuration import Configuration, configure
from postward.rules.errors import ConfigErrors
from postward.rules.listfile import MAX_LIST
from postward.rules.load import SHIPPED

_BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class ListFiles:
    """The lists of `directory`, while this process alone changes them."""

    directory: Path

    def path(self, name: str) -> Path:
        """Where the list `name` of this site stands, or would stand."""
        return self.directory / "lists" / f"{name}.yml"

    def text(self, name: str) -> str:
        """The text of a list; that of the shipped one where the site has none. Raises Trouble."""
        path = self.path(name)
        path = path if path.exists() else SHIPPED / "lists" / path.name
        try:
            with path.open("rb") as stream:
                octets = stream.read(MAX_LIST + 1)
            return octets.decode("utf-8")
        except OSError as error:
            raise Trouble(f"cannot read {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise Trouble(f"{path} is not UTF-8", "save the file in that encoding") from None

    def change(
        self, name: str, edit: Callable[[str], str], allow: Callable[[Configuration], None] | None = None
    ) -> Configuration:
        """Put `edit(text)` in the place of the list's text. Gives the configuration that then holds.

        `allow` sees that configuration before, and raises Trouble where it must not be.
        Raises Trouble: nothing was changed.
        """
        text = self.text(name)
        bom = _BOM if text.startswith(_BOM) else ""
        try:
            octets = (bom + edit(text.removeprefix(bom))).encode()
        except (CannotEdit, yaml.YAMLError) as error:
            configured(self.directory)  # what is wrong with it is said better there
            why = str(error).splitlines()[0]
            raise Trouble(f"{self.path(name)} has to be edited by hand: {why}") from None
        configuration = self._try(name, octets)
        if allow is not None:
            allow(configuration)
        try:
            _replace(self.path(name).resolve(), octets)
        except OSError as error:
            raise Trouble(f"cannot write {self.path(name)}: {error.strerror}", "run it as root") from None
        return configuration

    def _try(self, name: str, octets: bytes) -> Configuration:
        """The configuration as it would be. Raises Trouble when it is not valid."""
        with tempfile.TemporaryDirectory(prefix="postward-list-") as made:
            copy = Path(made)
            (copy / "lists").mkdir()
            for place in (self.directory, self.directory / "lists"):
                for each in place.iterdir():
                    if each.name != "lists":
                        target = copy / each.relative_to(self.directory)
                        target.symlink_to(each.absolute())
            with contextlib.suppress(FileNotFoundError):
                (copy / "lists" / f"{name}.yml").unlink()
            (copy / "lists" / f"{name}.yml").write_bytes(octets)
            return configured(copy, self.directory)


@contextmanager
def changing(directory: Path) -> Iterator[ListFiles]:
    """The lists of `directory`, for this process alone until the end. Raises Trouble."""
    lists = directory / "lists"
    try:
        if made := directory.is_dir() and not lists.is_dir():
            lists.mkdir(mode=directory.stat().st_mode & 0o7777)
        handle = os.open(lists, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise Trouble(f"cannot open {lists}: {error.strerror}") from None
    try:
        if made:
            _own_like(handle, directory)
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield ListFiles(directory)
    finally:
        os.close(handle)


def configured(directory: Path, told_as: Path | None = None) -> Configuration:
    """The configuration in `directory`. Raises Trouble: what is wrong, and that nothing was changed."""
    try:
        return configure(directory)
    except ConfigErrors as errors:
        said = str(errors).replace(str(directory), str(told_as or directory))
        raise Trouble(said, "nothing was changed: the configuration would not be valid") from None


def _replace(path: Path, octets: bytes) -> None:
    """Write the file in one step: who reads it meanwhile or after a power cut has the old or the new one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(octets)
            stream.flush()
            if path.exists():
                os.fchmod(stream.fileno(), path.stat().st_mode & 0o7777)
                _own_like(stream.fileno(), path)
            else:
                os.fchmod(stream.fileno(), path.parent.stat().st_mode & 0o666)
                _own_like(stream.fileno(), path.parent)
            os.fsync(stream.fileno())
        Path(name).rename(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def _own_like(made: int, model: Path) -> None:
    """Give an open file or directory the owner and group of `model`."""
    status, now = model.stat(), os.fstat(made)
    if (now.st_uid, now.st_gid) != (status.st_uid, status.st_gid):
        os.fchown(made, status.st_uid, status.st_gid)
