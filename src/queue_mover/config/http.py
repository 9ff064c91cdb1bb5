"""The HTTP settings of a mover's file."""

import re
from dataclasses import dataclass
from pathlib import Path

_LISTEN = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.%\w]+)\]|(?P<host>[^\s:\[\]/]+)):(?P<port>\d{1,5})")


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a TCP port to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Where a mover serves HTTP, and the token it requires."""

    http_listen: Address | None
    """None: HTTP is off."""
    http_token_file: Path | None
    """The file with the token that clients must send; None: no token."""


def parse_address(text: str) -> Address | None:
    """HOST:PORT, or None for an empty text. Raises ValueError."""
    if not text:
        return None
    found = _LISTEN.fullmatch(text)
    if not found or not 0 < int(found["port"]) < 2**16:
        raise ValueError("not HOST:PORT, such as 127.0.0.1:9632 or [::1]:9632")
    return Address(found["six"] or found["host"], int(found["port"]))
