"""Starts a program for each connection with the connection as its stdin and stdout, as spawn(8) does.

python spawner.py PATH COMMAND [ARGUMENT ...]
"""

import socket
import subprocess
import sys


def serve(path: str, command: list[str]) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(512)
        children: list[subprocess.Popen[bytes]] = []
        while True:
            connection, _ = listener.accept()
            with connection:
                children.append(
                    subprocess.Popen(command, stdin=connection.fileno(), stdout=connection.fileno())
                )
            children = [child for child in children if child.poll() is None]


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2:])
