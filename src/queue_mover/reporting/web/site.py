"""The paths and their answers. Each is made at most once a second, however many clients ask."""

import time
from collections.abc import Callable
from threading import Lock

from queue_mover.errors import OperatorError
from queue_mover.observation.progress import ProcessSnapshot
from queue_mover.reporting.web.health import reasons
from queue_mover.reporting.web.looker import Looker
from queue_mover.reporting.web.message import Request, Response, plain
from queue_mover.reporting.web.page import page
from queue_mover.reporting.web.security import Guard
from queue_mover.reporting.web.style import POLICY

try:
    from queue_mover.reporting.web.metrics import CONTENT_TYPE, Exposition
except ModuleNotFoundError as error:
    if not (error.name or "").startswith("prometheus_client"):
        raise
    raise OperatorError(
        "http_listen: the Python package prometheus_client is not installed;"
        " remedy: pip install 'queue-mover[metrics]'"
    ) from error

KEPT = 1.0
"""Seconds for which an answer is reused."""

PATIENCE = 2.0
"""Seconds that an answer waits for a newer poll of the databases; then it uses the last one."""

FIRST = 10.0
"""The same for the document, which needs a poll."""


class _Kept:
    """An answer that is remade when it is older than KEPT, by one thread at a time."""

    def __init__(self, make: Callable[[], Response]) -> None:
        self._make = make
        self._lock = Lock()
        self._made = float("-inf")
        self._response = plain(503, "not ready")

    def __call__(self) -> Response:
        with self._lock:
            if time.monotonic() - self._made > KEPT:
                self._response = self._make()
                self._made = time.monotonic()
            return self._response


class Site:
    """Answers requests about one process."""

    def __init__(
        self, snapshot: Callable[[], ProcessSnapshot], looker: Looker, guard: Guard
    ) -> None:
        self.guard = guard
        """Checks requests; may be replaced at any time."""
        self._snapshot = snapshot
        self._looker = looker
        self._exposition = Exposition()
        self._pages = {
            ("/", ""): _Kept(lambda: self._page(only_trouble=False)),
            ("/", "trouble"): _Kept(lambda: self._page(only_trouble=True)),
            ("/metrics", ""): _Kept(self._metrics),
            ("/healthz", ""): _Kept(self._health),
            ("/status.json", ""): _Kept(self._status),
        }

    def answer(self, request: Request) -> Response:
        """The answer to a request."""
        if request.path == "/livez":
            return plain(200, "ok")
        refusal = self.guard.refusal(request.headers)
        if refusal is not None:
            return refusal
        query = request.query if request.path == "/" and request.query == "trouble" else ""
        found = self._pages.get((request.path, query))
        if found is None:
            return plain(404, "not found; paths: /, /metrics, /healthz, /livez, /status.json")
        return found()

    def _page(self, *, only_trouble: bool) -> Response:
        text = page(self._snapshot(), self._looker.see(PATIENCE), only_trouble=only_trouble)
        policy = ("Content-Security-Policy", POLICY)
        return Response(200, text.encode(), "text/html; charset=utf-8", (policy,))

    def _metrics(self) -> Response:
        seen = self._looker.see(PATIENCE)
        return Response(200, self._exposition.text(self._snapshot(), seen), CONTENT_TYPE)

    def _health(self) -> Response:
        found = reasons(self._snapshot())
        return plain(503, "\n".join(found)) if found else plain(200, "ok")

    def _status(self) -> Response:
        seen = self._looker.see(FIRST)
        if seen is None:
            return plain(503, "the databases have not been polled yet", ("Retry-After", "10"))
        return Response(200, f"{seen.document}\n".encode(), "application/json")
