"""A daemon with workers for the tests: each serves one file descriptor and answers with its pid.

Usage: python workers_program.py SOCKET COUNT DRAIN [BEHAVIOUR]; says what happens on standard output.
A client's line is answered with `<pid> ` at once and `<rules>` after the seconds that it names.
"""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

from postward.daemon.start import CannotStart, bind
from postward.daemon.units import Listen
from postward.daemon.workers import Worker, Workers


class Owner:
    """Rules are the content of the file SOCKET.rules; `bad` is refused."""

    def __init__(self, path: str, behaviour: str) -> None:
        self.rules_file = Path(path + ".rules")
        self.rules = self.rules_file.read_text()
        self.behaviour = behaviour
        (self.listener,) = bind([Listen(path=path)], 0o600)

    def work(self, control: socket.socket) -> int:
        if self.behaviour == "die":
            return 7
        return asyncio.run(self._serve(control))

    def reload(self) -> str:
        fresh = self.rules_file.read_text()
        if fresh == "bad":
            say("refused")
            return ""
        self.rules = fresh
        return fresh

    def changed(self, workers: list[Worker], settled: bool) -> None:
        if settled:
            say(f"settled {' '.join(str(each.pid) for each in workers)} {workers[0].digest}")

    def stopping(self) -> None:
        self.listener.close()

    def idle(self) -> float:
        return 60.0

    async def _serve(self, control: socket.socket) -> int:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        if self.behaviour == "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        else:
            loop.add_signal_handler(signal.SIGTERM, stop.set)
        busy: set[asyncio.Task[None]] = set()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            busy.add(task)
            seconds = float(await reader.readline())
            writer.write(f"{os.getpid()} ".encode())
            await asyncio.sleep(seconds)
            writer.write(self.rules.encode())
            writer.close()
            await writer.wait_closed()
            busy.discard(task)

        server = await asyncio.start_unix_server(answer, sock=self.listener)

        def hear() -> None:
            if not control.recv(100):
                loop.remove_reader(control)
                stop.set()
                return
            self.rules = self.rules_file.read_text()
            control.send(f"runs {self.rules}".encode())

        control.setblocking(False)
        loop.add_reader(control, hear)
        control.send(f"runs {self.rules}".encode())
        await stop.wait()
        server.close()
        await asyncio.gather(*busy)
        return 0


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    program, path, count, drain, *behaviour = sys.argv
    try:
        sys.exit(Workers(int(count), Owner(path, "".join(behaviour)), float(drain)).run())
    except CannotStart as error:
        say(f"cannot start: {error}")
        sys.exit(3)
