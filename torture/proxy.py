"""TCP between movers and a server, to be cut, stalled and reset."""

import select
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field

CHUNK = 64 * 1024
FULL = 4 * CHUNK
"""Bytes that wait for a slow reader before we stop to read from the other side."""
LOOK = 0.05
"""Seconds between looks at what we are told to do."""
_RESET = struct.pack("ii", 1, 0)


@dataclass(eq=False)
class _Flow:
    """One direction of a connection."""

    reader: socket.socket
    writer: socket.socket
    upward: bool
    """From the client to the server."""
    pending: bytearray = field(default_factory=bytearray)
    ended: bool = False


@dataclass(eq=False)
class _Link:
    client: socket.socket
    server: socket.socket
    flows: tuple[_Flow, _Flow]


class Proxy:
    """Forwards connections to a port of this machine, from a thread of its own."""

    def __init__(self, port: int) -> None:
        """`port` is the server's."""
        self._server_port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._links: list[_Link] = []
        self._stalled = False
        self._deaf = False
        self._reset_all = False
        self._fuse: int | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()

    def reset(self) -> None:
        """Reset all connections."""
        self._reset_all = True

    def stall(self) -> None:
        """Forward nothing; connections stay open."""
        self._stalled = True

    def deafen(self) -> None:
        """Forward what clients say, and nothing of what the server answers."""
        self._deaf = True

    def flow(self) -> None:
        """Forward everything again."""
        self._stalled = self._deaf = False

    def reset_after(self, size: int) -> None:
        """Reset the connection that brings the next so many bytes to an end."""
        self._fuse = size

    def close(self) -> None:
        """Reset all connections and take no more."""
        self._closing = True
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        while not self._closing:
            if self._reset_all:
                self._reset_all = False
                self._drop_all()
            self._forward()
        self._drop_all()

    def _forward(self) -> None:
        flows = {
            flow: link for link in self._links for flow in link.flows if not self._is_held(flow)
        }
        readers = {f.reader: f for f in flows if not f.ended and len(f.pending) < FULL}
        writers = {f.writer: f for f in flows if f.pending}
        readable, writable, _ = select.select([self._listener, *readers], [*writers], [], LOOK)
        for sock in readable:
            if sock is self._listener:
                self._accept()
            else:
                self._read(readers[sock], flows[readers[sock]])
        for sock in writable:
            self._write(writers[sock], flows[writers[sock]])

    def _is_held(self, flow: _Flow) -> bool:
        return self._stalled or (self._deaf and not flow.upward)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(("127.0.0.1", self._server_port), timeout=2)
        except OSError:
            _reset(client)
            return
        for sock in (client, server):
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        flows = (_Flow(client, server, upward=True), _Flow(server, client, upward=False))
        self._links.append(_Link(client, server, flows))

    def _read(self, flow: _Flow, link: _Link) -> None:
        try:
            data = flow.reader.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self._drop(link)
            return
        if self._burns(len(data)):
            self._drop(link)
        elif data:
            flow.pending += data
        else:
            flow.ended = True
            self._pass_end(flow, link)

    def _burns(self, size: int) -> bool:
        if self._fuse is None:
            return False
        self._fuse -= size
        if self._fuse > 0:
            return False
        self._fuse = None
        return True

    def _write(self, flow: _Flow, link: _Link) -> None:
        if link not in self._links:
            return
        try:
            sent = flow.writer.send(flow.pending)
        except BlockingIOError:
            return
        except OSError:
            self._drop(link)
            return
        del flow.pending[:sent]
        self._pass_end(flow, link)

    def _pass_end(self, flow: _Flow, link: _Link) -> None:
        if not flow.ended or flow.pending:
            return
        with suppress(OSError):
            flow.writer.shutdown(socket.SHUT_WR)
        if all(each.ended and not each.pending for each in link.flows):
            self._drop(link)

    def _drop_all(self) -> None:
        for link in self._links[:]:
            self._drop(link)

    def _drop(self, link: _Link) -> None:
        with suppress(ValueError):
            self._links.remove(link)
            _reset(link.client)
            _reset(link.server)


def _reset(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    sock.close()
