"""A TCP proxy in front of a server: it delays, stalls, resets, and counts round trips."""

import select
import socket
import struct
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from testbed.processes import wait_until

CHUNK = 256 * 1024
"""Bytes read at a time."""
BUFFER = 256 * 1024
"""Bytes buffered for a slow reader before we stop reading from the other side."""
POLL = 0.05
"""Seconds between checks for resets and the like."""
_RESET = struct.pack("ii", 1, 0)


@dataclass(eq=False)
class _Flow:
    """One direction of a connection."""

    reader: socket.socket
    writer: socket.socket
    is_request: bool
    """From the client to the server."""
    waiting: deque[tuple[float, bytes]] = field(default_factory=deque)
    """When to forward which bytes; no bytes mean the end of the stream."""
    size: int = 0
    """Bytes waiting."""
    ended: bool = False
    """The end of the stream has been read."""


@dataclass(eq=False)
class _Link:
    """A client's connection, and ours to the server for it."""

    flows: tuple[_Flow, _Flow]
    awaits_request: bool = True


class Proxy:
    """Forwards connections to a port on 127.0.0.1, in its own thread.

    With a delay (seconds), a round trip takes that much longer: each byte is held back for half of
    it in either direction. This adds latency; it does not limit throughput.
    """

    def __init__(self, server_port: int, delay: float = 0.0) -> None:
        self._server_port = server_port
        self._half = delay / 2
        # A slow line holds what is in flight.
        self._buffer = 64 * CHUNK if delay else BUFFER
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.round_trips = 0
        """How many so far; one starts when a client sends first, or after the server."""
        self._links: list[_Link] = []
        self._held: tuple[bool, bool] = (False, False)
        """Responses, requests."""
        self._reset_all = False
        self._fuse: int | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()

    def reset(self) -> None:
        """Reset all connections."""
        self._reset_all = True

    def reset_after(self, size: int) -> None:
        """Reset the connection that carries the last of the next `size` bytes."""
        self._fuse = size

    def hold(self, *, requests: bool = True, responses: bool = True) -> None:
        """Hold back requests, responses or both; connections stay open.

        What is already held back remains so.
        """
        self._held = (self._held[0] or responses, self._held[1] or requests)

    def release(self) -> None:
        """Forward everything again, including what was held back."""
        self._held = (False, False)

    def wait_for_request(self) -> None:
        """Wait until a request is held back."""
        wait_until(self._has_request, 30, "a client to send something")

    def _has_request(self) -> bool:
        requests = [flow for link in [*self._links] for flow in link.flows if flow.is_request]
        return any(flow.waiting or _can_read(flow.reader) for flow in requests)

    def close(self) -> None:
        """Reset all connections, and accept no more."""
        self._closing = True
        self._thread.join()
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        while not self._closing:
            if self._reset_all:
                self._reset_all = False
                self._reset_links()
            self._forward()
        self._reset_links()

    def _forward(self) -> None:
        """Forward what is due, then wait for more and read it."""
        now = time.monotonic()
        for link, flow in self._open_flows():
            if link in self._links:
                self._write(link, flow, now)
        flows = self._open_flows()
        readers = {
            flow.reader: (link, flow)
            for link, flow in flows
            if not flow.ended and flow.size < self._buffer
        }
        waiting = [(flow.waiting[0][0], flow.writer) for _, flow in flows if flow.waiting]
        writers = [writer for due, writer in waiting if due <= now]
        pause = min([POLL, *(due - now for due, _ in waiting if due > now)])
        readable, _, _ = select.select([self._listener, *readers], writers, [], pause)
        for sock in readable:
            if sock is self._listener:
                self._accept()
            else:
                self._read(*readers[sock])

    def _open_flows(self) -> list[tuple[_Link, _Flow]]:
        return [
            (link, flow)
            for link in self._links
            for flow in link.flows
            if not self._held[flow.is_request]
        ]

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(("127.0.0.1", self._server_port), timeout=2)
        except OSError:
            _close(client, reset=True)
            return
        for sock in (client, server):
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        flows = (_Flow(client, server, is_request=True), _Flow(server, client, is_request=False))
        self._links.append(_Link(flows))

    def _read(self, link: _Link, flow: _Flow) -> None:
        if link not in self._links or self._held[flow.is_request]:
            return
        try:
            data = flow.reader.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self._end(link, reset=True)
            return
        if self._blows_fuse(len(data)):
            self._end(link, reset=True)
            return
        if data:
            self.round_trips += flow.is_request and link.awaits_request
            link.awaits_request = not flow.is_request
        flow.ended = not data
        flow.size += len(data)
        flow.waiting.append((time.monotonic() + self._half if self._half else 0.0, data))

    def _blows_fuse(self, size: int) -> bool:
        if self._fuse is None:
            return False
        self._fuse -= size
        if self._fuse > 0:
            return False
        self._fuse = None
        return True

    def _write(self, link: _Link, flow: _Flow, now: float) -> None:
        """Write what is due, as far as the other side accepts it."""
        try:
            while flow.waiting and flow.waiting[0][0] <= now:
                due, data = flow.waiting[0]
                if not data:
                    flow.writer.shutdown(socket.SHUT_WR)
                sent = flow.writer.send(data) if data else 0
                flow.size -= sent
                if sent < len(data):
                    flow.waiting[0] = (due, data[sent:])
                else:
                    flow.waiting.popleft()
        except BlockingIOError:
            pass
        except OSError:
            self._end(link, reset=True)
        else:
            if all(each.ended and not each.waiting for each in link.flows):
                self._end(link)

    def _reset_links(self) -> None:
        for link in [*self._links]:
            self._end(link, reset=True)

    def _end(self, link: _Link, *, reset: bool = False) -> None:
        self._links.remove(link)
        for flow in link.flows:
            _close(flow.reader, reset=reset)


def _can_read(sock: socket.socket) -> bool:
    with suppress(OSError):
        return bool(sock.recv(1, socket.MSG_PEEK))
    return False


def _close(sock: socket.socket, *, reset: bool) -> None:
    with suppress(OSError):
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    sock.close()
