"""A client of the HTTP side."""

import http.client
import json
import re
import socket
from dataclasses import dataclass, field
from typing import Any

from testbed.processes import free_port, wait_until

PATIENCE = 30.0
"""Seconds that anything may take on a busy machine."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    text: str
    headers: dict[str, str]


@dataclass
class Site:
    """An address, and what one can ask there."""

    port: int = field(default_factory=free_port)
    host: str = "127.0.0.1"

    @property
    def address(self) -> str:
        """As http_listen has it."""
        return f"{self.host}:{self.port}"

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """Ask once. A name of a header has its dashes as underscores."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)
        try:
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, headers=given)
            answer = connection.getresponse()
            text = answer.read().decode()
            return Answer(answer.status, text, {k.lower(): v for k, v in answer.getheaders()})
        finally:
            connection.close()

    def answers(self) -> bool:
        """Whether somebody listens."""
        try:
            return self.get("/livez").status == 200
        except OSError:
            return False

    def wait(self) -> None:
        """Wait until somebody listens."""
        wait_until(self.answers, PATIENCE, f"an answer at {self.address}")

    def raw(self, request: bytes) -> bytes:
        """Send bytes, and read all that comes."""
        with socket.create_connection((self.host, self.port), timeout=PATIENCE) as connection:
            received = b""
            try:
                connection.sendall(request)
                while part := connection.recv(65536):
                    received += part
            except ConnectionError:
                pass
            return received

    def metrics(self) -> dict[str, float]:
        """The samples, by name and labels as they are written."""
        lines = self.get("/metrics").text.splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def metric(self, name: str, **labels: str) -> float | None:
        """A value; None: there is no such sample."""
        wanted = {f'{key}="{value}"' for key, value in labels.items()}
        for sample, value in self.metrics().items():
            found = re.fullmatch(rf"queue_mover_{name}(?:\{{(.*)\}})?", sample)
            if found and wanted <= set((found[1] or "").split(",")):
                return value
        return None

    def status(self) -> Any:
        """The document."""
        return json.loads(self.get("/status.json").text)
