"""A small HTTP server with bounded resources.

Each connection carries one request. Their number, the rate at which they are accepted, and the time
for each are limited; more wait in the kernel's queue. The standard library parses the requests.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import BinaryIO

from queue_mover.config.http import Address
from queue_mover.errors import OperatorError
from queue_mover.reporting.web.message import Request, Response, plain
from queue_mover.reporting.web.security import HEADERS, NOTHING_ALLOWED
from queue_mover.system.signals import start_thread

CONNECTIONS = 16
"""Connections served at the same time."""

RATE, BURST = 50.0, 25.0
"""Connections accepted per second, and the burst allowed after a pause."""

HEAD_SECONDS, WHOLE_SECONDS = 5.0, 30.0
"""Seconds for the head of a request to arrive, and for the whole connection."""

LAST_SECONDS = 0.5
"""Seconds for the answers under way when the server is stopped."""

LARGEST_HEAD = 16 * 1024
"""The most bytes of a request line and its headers."""

Answer = Callable[[Request], Response]


def resolve(address: Address) -> tuple[socket.AddressFamily, str]:
    """The family and the IP address to listen on. Raises OperatorError."""
    try:
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a host name"
        raise OperatorError(
            f"http_listen = {address}: {reason};"
            " remedy: an address of this machine, such as 127.0.0.1"
        ) from None
    return found[0][0], str(found[0][4][0])


def listen(address: Address) -> socket.socket:
    """A listening socket. Raises OperatorError if the address cannot be used."""
    family, ip = resolve(address)
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((ip, address.port))
        made.listen(CONNECTIONS)
        made.settimeout(0.5)
    except OSError as error:
        made.close()
        raise OperatorError(
            f"http_listen = {address}: {error.strerror};"
            f" remedy: another port; ss -ltnp 'sport = {address.port}' shows what uses it"
        ) from None
    return made


class Server:
    """Answers requests until it is stopped."""

    def __init__(self, listening: socket.socket, answer: Answer, log: logging.Logger) -> None:
        self._listening = listening
        self._answer = answer
        self._log = log
        self._reported = ""
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._deadlines: dict[socket.socket, float] = {}
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    @property
    def ip(self) -> str:
        """The IP address that it listens on."""
        return str(self._listening.getsockname()[0])

    def start(self) -> None:
        """Start. Raises OperatorError if no thread can be started."""
        start_thread(self._thread)

    def stop(self) -> None:
        """Free the address, then close connections that are still open after a moment."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join(2)
        self._listening.close()
        with self._changed:
            self._changed.wait_for(lambda: not self._deadlines, LAST_SECONDS)
        self._cut(float("inf"))

    def _run(self) -> None:
        allowed, refilled = BURST, time.monotonic()
        while not self._stopping.is_set():
            self._cut(time.monotonic())
            if not self._has_room():
                continue
            try:
                connection, _ = self._listening.accept()
            except TimeoutError:
                continue
            except OSError:
                # Such as too many open files: the movers need theirs.
                self._stopping.wait(1)
                continue
            self._serve(connection)
            now = time.monotonic()
            allowed, refilled = min(BURST, allowed + (now - refilled) * RATE) - 1, now
            if allowed < 0:
                self._stopping.wait(-allowed / RATE)

    def _has_room(self) -> bool:
        with self._changed:
            return self._changed.wait_for(
                lambda: self._stopping.is_set() or len(self._deadlines) < CONNECTIONS, 0.5
            )

    def _cut(self, now: float) -> None:
        """Close connections whose time is over; their threads notice."""
        with self._changed:
            late = [each for each, deadline in self._deadlines.items() if deadline < now]
        for connection in late:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _serve(self, connection: socket.socket) -> None:
        self._extend(connection, HEAD_SECONDS)
        try:
            start_thread(
                threading.Thread(
                    target=self._handle, args=(connection,), name="http client", daemon=True
                )
            )
        except OperatorError:
            self._leave(connection)

    def _extend(self, connection: socket.socket, seconds: float) -> None:
        with self._changed:
            self._deadlines[connection] = time.monotonic() + seconds

    def _leave(self, connection: socket.socket) -> None:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        connection.close()
        with self._changed:
            self._deadlines.pop(connection, None)
            self._changed.notify_all()

    def _handle(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(HEAD_SECONDS)
            _Handler(connection, self._respond, lambda: self._extend(connection, WHOLE_SECONDS))
        except OSError:
            # The client has gone, or was too slow.
            pass
        finally:
            self._leave(connection)

    def _respond(self, request: Request) -> Response:
        try:
            return self._answer(request)
        except Exception as error:
            if repr(error) != self._reported:
                self._reported = repr(error)
                self._log.exception("HTTP: no answer to a request: %s", error)
            return plain(500, "internal error; see the log")


class _TooLargeError(Exception):
    """A head of a request that is larger than LARGEST_HEAD."""


class _Bounded:
    """The limited input from which the standard library reads the head of a request."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = LARGEST_HEAD

    def readline(self, _size: int = -1) -> bytes:
        line = self._file.readline(self._left + 1)
        self._left -= len(line)
        if self._left < 0:
            raise _TooLargeError
        return line

    def close(self) -> None:
        self._file.close()


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    def __init__(
        self, connection: socket.socket, respond: Answer, complete: Callable[[], None]
    ) -> None:
        """`complete` is called when the head has arrived."""
        self._respond = respond
        self._complete = complete
        self.command = ""
        self.request_version = "HTTP/1.0"
        self.requestline = ""
        super().__init__(connection, ("", 0), None)  # type: ignore[arg-type]

    def handle(self) -> None:
        self.rfile = _Bounded(self.rfile)  # type: ignore[assignment, arg-type]
        self.close_connection = True
        try:
            self.raw_requestline = self.rfile.readline()
            if not self.raw_requestline.strip() or not self.parse_request():
                return
        except _TooLargeError:
            self._send(plain(431, "request too large"))
            return
        self._complete()
        self._send(self._answer())

    def _answer(self) -> Response:
        if self.request_version == "HTTP/0.9":
            return plain(400, "bad request")
        if self.command not in ("GET", "HEAD"):
            return plain(405, "only GET and HEAD are supported", ("Allow", "GET, HEAD"))
        if self.headers.get("transfer-encoding") or self.headers.get("content-length", "0") != "0":
            return plain(413, "a request body is not supported")
        headers = {name.lower(): value for name, value in self.headers.items()}
        path, _, query = self.path.partition("?")
        return self._respond(Request(path, query, headers))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Called by the parser: nothing of the request is echoed."""
        self._send(plain(int(code), "bad request"))

    def _send(self, response: Response) -> None:
        # A request that cannot be parsed would count as HTTP/0.9, which has no headers.
        self.request_version = "HTTP/1.0"
        self.send_response(response.status)
        headers = dict((*HEADERS, ("Content-Security-Policy", NOTHING_ALLOWED), *response.headers))
        headers["Content-Type"] = response.content_type
        headers["Content-Length"] = str(len(response.body))
        headers["Connection"] = "close"
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    def version_string(self) -> str:
        """The versions of server and Python are not disclosed."""
        return "queue_mover"

    def log_message(self, *_: object) -> None:
        """Requests are not logged: a flood of them would fill the disk."""
