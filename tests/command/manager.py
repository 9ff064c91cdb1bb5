"""What systemd does for a service: it listens on a socket, and names it in the environment."""

import socket
import time
from typing import Self

from tests.command.world import PATIENCE


class Manager:
    """Receives notifications; as a context manager, closed at the end."""

    def __init__(self, address: str) -> None:
        """`address`: a path, or @NAME in the abstract namespace."""
        self.environment = {"NOTIFY_SOCKET": address}
        self.received: list[dict[str, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)

    def next(self, timeout: float) -> dict[str, str] | None:
        """The next message as assignments; None after so many seconds without one."""
        self._socket.settimeout(timeout)
        try:
            text = self._socket.recv(4096).decode()
        except TimeoutError:
            return None
        self.received.append(dict(line.split("=", 1) for line in text.split("\n")))
        return self.received[-1]

    def wait_for(self, key: str, part: str = "") -> dict[str, str]:
        """The next message that sets the key to a value with this part."""
        deadline = time.monotonic() + PATIENCE
        while (left := deadline - time.monotonic()) > 0:
            message = self.next(left)
            if message and key in message and part in message[key]:
                return message
        raise TimeoutError(f"waited for {key}={part}; received {self.received}")

    def drain(self) -> list[dict[str, str]]:
        """What has been sent and not received yet."""
        before = len(self.received)
        while self.next(0.01):
            pass
        return self.received[before:]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
