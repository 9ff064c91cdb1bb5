"""A way to a database that can be held up: what a client sends then waits on the way."""

import contextlib
import socket
import threading
from typing import Self

from psycopg.conninfo import conninfo_to_dict

from testbed.database import Database
from testbed.processes import wait_until


class Proxy:
    """Forwards connections to a database; `held` keeps what clients send, until `release`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        server = conninfo_to_dict(database.server)
        self._address = (str(server["host"]), int(str(server["port"])))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open = threading.Event()
        self._open.set()
        self._waiting = threading.Event()
        self._sockets: list[socket.socket] = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def conninfo(self) -> str:
        """The libpq connect string of the database by this way."""
        return self._database.conninfo(port=self._listener.getsockname()[1])

    def hold(self) -> None:
        """From now on, what clients send does not arrive."""
        self._waiting.clear()
        self._open.clear()

    def wait_for_client(self) -> None:
        """Wait until a client has sent something that does not arrive."""
        wait_until(self._waiting.is_set, 30, "the client to send something")

    def release(self) -> None:
        """Let everything arrive."""
        self._open.set()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._address)
                self._sockets += [client, server]
                for pipe in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._forward, args=pipe, daemon=True).start()

    def _forward(self, here: socket.socket, there: socket.socket, from_client: bool) -> None:
        with contextlib.suppress(OSError):
            while data := here.recv(65536):
                if from_client and not self._open.is_set():
                    self._waiting.set()
                    self._open.wait()
                there.sendall(data)
        with contextlib.suppress(OSError):
            there.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
