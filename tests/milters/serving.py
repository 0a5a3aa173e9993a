"""A milter server in a thread of its own, on a unix socket, for clients that block."""

import asyncio
import socket
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from milters.client import MilterClient
from milters.serve import MilterServer
from milters.settings import MilterSettings
from postward.house import House


@dataclass
class Serving:
    """A running server: `path` to connect to; `run` does something in its loop."""

    server: MilterServer
    path: str
    loop: asyncio.AbstractEventLoop

    def client(self) -> MilterClient:
        return MilterClient.connect(self.path, timeout=10)

    def run(self, work: Coroutine[Any, Any, Any], timeout: float = 10) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout)

    def call(self, work: Callable[[], Any]) -> Any:
        async def there() -> Any:
            return work()

        return self.run(there())


@contextmanager
def serving(settings: MilterSettings, house: House) -> Iterator[Serving]:
    """Serve until the block ends; the server is drained for 0.2 s then."""
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory) / "milter")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        server = MilterServer(settings, house)
        held = Serving(server, path, loop)
        try:
            held.run(server.start([listener]))
            yield held
            held.run(server.drain(0.2))
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
