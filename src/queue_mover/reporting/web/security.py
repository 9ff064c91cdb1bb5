"""Which requests are allowed, and what a browser may do with the answer."""

import base64
import binascii
import hmac
import ipaddress
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from queue_mover.config.http import Address
from queue_mover.errors import OperatorError
from queue_mover.reporting.web.message import Response, plain

SHORTEST = 16
"""The fewest characters of a token: a shorter one could be guessed."""

HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)
"""Sent with every answer."""

NOTHING_ALLOWED = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The content security policy of an answer that needs nothing."""


def read_token(path: Path) -> bytes:
    """The token in a file. Raises OperatorError if it holds none, or is open to every user."""
    try:
        mode = path.stat().st_mode
        text = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise OperatorError(
            f"http_token_file: {path}: {reason}; remedy: (umask 077; openssl rand -hex 32 > {path})"
        ) from None
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise OperatorError(
            f"http_token_file: {path}: accessible to every user of this machine;"
            f" remedy: chmod o-rw {path}"
        )
    if len(text) < SHORTEST or not text.isascii() or not text.isprintable() or " " in text:
        raise OperatorError(
            f"http_token_file: {path}: must hold one word of {SHORTEST} characters or more;"
            f" remedy: (umask 077; openssl rand -hex 32 > {path})"
        )
    return text.encode()


def require_token(address: Address, ip: str, token: bytes | None) -> None:
    """Raise OperatorError if other machines can reach the address and no token is set.

    `ip`: what the address resolves to.
    """
    if token is None and not _ip(ip).is_loopback:
        raise OperatorError(
            f"http_listen = {address}: other machines can reach it;"
            " remedy: set http_token_file, or http_listen = 127.0.0.1:"
            f"{address.port}"
        )


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(text.partition("%")[0])


@dataclass(frozen=True, slots=True)
class Guard:
    """Refuses requests that are not allowed."""

    address: Address
    token: bytes | None

    def refusal(self, headers: Mapping[str, str]) -> Response | None:
        """The answer to a request that is not allowed; None: it is."""
        if self.token is None:
            if self._is_ours(headers.get("host", "")):
                return None
            return plain(403, "this host name is not served; use the address of http_listen")
        if hmac.compare_digest(_presented(headers.get("authorization", "")), self.token):
            return None
        return plain(
            401, "token missing or wrong", ("WWW-Authenticate", 'Basic realm="queue_mover"')
        )

    def _is_ours(self, host: str) -> bool:
        """Against DNS rebinding: a foreign page could make its host name resolve to this machine,
        and read the answers. It cannot do so with an address."""
        name = host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host
        name = name.strip("[]").lower()
        if name in ("localhost", self.address.host.lower(), ""):
            return True
        try:
            _ip(name)
        except ValueError:
            return False
        return True


def _presented(authorization: str) -> bytes:
    """The token in a header: the word after Bearer, or the password of Basic."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode("latin-1", "replace")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return b""
