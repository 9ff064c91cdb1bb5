"""A request as the site sees it, and its answer."""

from collections.abc import Mapping
from dataclasses import dataclass

TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """A client's request; the method is GET or HEAD."""

    path: str
    query: str
    headers: Mapping[str, str]
    """By name, in lower case."""


@dataclass(frozen=True, slots=True)
class Response:
    """The answer to a request."""

    status: int
    body: bytes
    content_type: str = TEXT
    headers: tuple[tuple[str, str], ...] = ()


def plain(status: int, text: str, *headers: tuple[str, str]) -> Response:
    """An answer of one line or a few."""
    return Response(status, f"{text}\n".encode(), headers=headers)
