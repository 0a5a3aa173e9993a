"""A process that serves dialogues by libmilter: `python -m tests.milters.libmilter_child SOCKET`.

libmilter can be started once in a process, and its threads are not for the process that runs the
tests. Each line on standard input is a dialogue file whose rules shall hold from then on; the answer is
`ready`. `drain` ends it, and so does the end of the input.
"""

import asyncio
import sys
from pathlib import Path

from milters.libmilter import LibmilterServer
from milters.settings import MilterSettings
from tests.milters.dialogue import read
from tests.milters.scripted import ScriptedRules, house


async def main(path: str) -> None:
    server = LibmilterServer(MilterSettings("mx.example.org"), house(ScriptedRules()))
    await server.start(f"unix:{path}")
    say("ready")
    while (line := await asyncio.to_thread(sys.stdin.readline)) and line != "drain\n":
        dialogue = read(Path(line.strip()))
        server.settings, server.house = dialogue.settings, house(dialogue.rules)
        say("ready")
    say("finished" if await server.drain(5) else "cut")


def say(word: str) -> None:
    print(word, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
