"""A TCP proxy that adds a delay to every round trip and counts round trips, in its own process.

Bytes are held back for half of the delay in either direction, however many follow: the line is
long, not narrow. A round trip begins when the client speaks after the server, or first.

`python -m bench.proxy SECONDS HOST:PORT…` prints a line of JSON with the ports to connect to, one
for each address, and then one with the counts so far for every line it reads.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass

CHUNK = 256 * 1024


@dataclass
class Line:
    """One address behind the proxy."""

    host: str
    port: int
    half: float
    """Seconds that every byte is held back."""
    turns: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client."""
        server_reader, server_writer = await asyncio.open_connection(self.host, self.port)
        listening = True

        def client_speaks() -> None:
            nonlocal listening
            self.turns += listening
            listening = False

        def server_speaks() -> None:
            nonlocal listening
            listening = True

        await asyncio.gather(
            self._carry(reader, server_writer, client_speaks),
            self._carry(server_reader, writer, server_speaks),
            return_exceptions=True,
        )

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, spoken: object
    ) -> None:
        held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(64)
        assert callable(spoken)

        async def deliver() -> None:
            while True:
                due, data = await held.get()
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if not data:
                    break
                writer.write(data)
                await writer.drain()
            writer.close()

        delivery = asyncio.create_task(deliver())
        try:
            while data := await reader.read(CHUNK):
                spoken()
                await held.put((time.monotonic() + self.half, data))
        finally:
            await held.put((time.monotonic() + self.half, b""))
            await delivery


async def _serve(delay: float, addresses: list[str]) -> None:
    lines, ports = [], []
    for address in addresses:
        host, _, port = address.rpartition(":")
        line = Line(host, int(port), delay / 2)
        server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        lines.append(line)
    print(json.dumps(ports), flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps([line.turns for line in lines]), flush=True)


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1]), sys.argv[2:]))
