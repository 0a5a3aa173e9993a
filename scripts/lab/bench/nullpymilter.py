"""A milter on pymilter that hears everything and does nothing.

python nullpymilter.py SOCKET
"""

import os
import sys

import Milter


class Null(Milter.Base):  # type: ignore[misc]  # pymilter has no types
    """All callbacks, so that the MTA sends everything; `continue` to each."""

    def connect(self, hostname: str, family: int, address: object) -> int:
        return int(Milter.CONTINUE)

    def hello(self, name: str) -> int:
        return int(Milter.CONTINUE)

    def envfrom(self, sender: str, *options: str) -> int:
        return int(Milter.CONTINUE)

    def envrcpt(self, recipient: str, *options: str) -> int:
        return int(Milter.CONTINUE)

    def data(self) -> int:
        return int(Milter.CONTINUE)

    def header(self, name: str, value: str) -> int:
        return int(Milter.CONTINUE)

    def eoh(self) -> int:
        return int(Milter.CONTINUE)

    def body(self, chunk: bytes) -> int:
        return int(Milter.CONTINUE)

    def eom(self) -> int:
        return int(Milter.CONTINUE)


if __name__ == "__main__":
    os.umask(0)  # Postfix runs as another user
    Milter.factory = Null
    Milter.runmilter("nullpymilter", sys.argv[1], timeout=300)
