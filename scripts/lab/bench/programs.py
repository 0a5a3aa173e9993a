"""The bench's C programs, compiled when they are needed (cc; libmilter-dev for the null milter)."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).parent
FLAGS = ("-O2", "-Wall", "-Wextra", "-Werror")


class CannotBuild(RuntimeError):
    """The compiler is missing or refused a source; the text is its own."""


@dataclass(frozen=True)
class Programs:
    """Where the compiled programs lie, and how each is made."""

    directory: Path

    def policyload(self) -> Path:
        return self._built("policyload")

    def smtpload(self) -> Path:
        return self._built("smtpload")

    def policyecho(self) -> Path:
        return self._built("policyecho")

    def nullmilter(self) -> Path:
        return self._built("nullmilter", "-lmilter", "-lpthread")

    def _built(self, name: str, *libraries: str) -> Path:
        program = self.directory / name
        if program.exists():
            return program
        command = ["cc", *FLAGS, "-o", str(program), str(SOURCES / f"{name}.c"), *libraries]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            raise CannotBuild("there is no C compiler: apt-get install gcc libc6-dev") from error
        if done.returncode != 0:
            raise CannotBuild(f"{name}.c: {done.stderr.strip()}")
        return program
