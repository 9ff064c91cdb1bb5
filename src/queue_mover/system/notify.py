"""Messages to the service manager, in systemd's protocol: datagrams to $NOTIFY_SOCKET."""

import os
import socket
import time
from collections.abc import MutableMapping
from contextlib import suppress

SEND_TIMEOUT = 5.0
"""Seconds to wait for a service manager that does not read. It must not stop the mover."""

LONGEST_STATUS = 200
"""Characters of a status; `systemctl status` shows one line."""


class Notifier:
    """Sends the state of this process; without an address, nothing. Never raises."""

    def __init__(self, address: str = "", watchdog: float = 0.0) -> None:
        """`address`: path of a socket, or @NAME of an abstract one. `watchdog`: seconds within
        which the manager expects `alive`; 0: it does not."""
        self._address = address
        self.watchdog = watchdog if address else 0.0
        self._status = ""

    @property
    def active(self) -> bool:
        """Whether there is an address to send to."""
        return bool(self._address)

    def ready(self) -> None:
        """The start or a reload is complete."""
        self._send("READY=1")

    def reloading(self) -> None:
        """A reload has begun; `ready` ends it."""
        # Type=notify-reload compares the time with that of its signal.
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The process is about to end."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line for the operator; sent only if it has changed."""
        line = " ".join(text.split())[:LONGEST_STATUS]
        if line != self._status:
            self._status = line
            self._send(f"STATUS={line}")

    def _send(self, *assignments: str) -> None:
        if not self._address:
            return
        address: str | bytes = self._address
        if self._address.startswith("@"):
            address = b"\0" + os.fsencode(self._address[1:])
        with (
            suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender,
        ):
            sender.settimeout(SEND_TIMEOUT)
            sender.sendto("\n".join(assignments).encode(errors="replace"), address)


def from_environment(environ: MutableMapping[str, str] = os.environ) -> Notifier:
    """The notifier for the variables of the service manager, which are removed: a child process
    must not report for this one. Addresses that are not Unix sockets are ignored."""
    address = environ.pop("NOTIFY_SOCKET", "")
    microseconds = environ.pop("WATCHDOG_USEC", "")
    pid = environ.pop("WATCHDOG_PID", "")
    if not address.startswith(("/", "@")):
        return Notifier()
    ours = pid in ("", str(os.getpid()))
    watchdog = int(microseconds) / 1e6 if microseconds.isdecimal() and ours else 0.0
    return Notifier(address, watchdog)
