"""HTTP beside a service; loaded only when a config enables it."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from queue_mover.config.http import HttpSettings
from queue_mover.config.settings import Settings
from queue_mover.errors import OperatorError
from queue_mover.observation.progress import ProcessSnapshot, SharedWork
from queue_mover.service.job import Plan
from queue_mover.system.limits import HTTP_FILES

if TYPE_CHECKING:
    from queue_mover.reporting.web.serving import Serving


class Web:
    """Serves HTTP as the config says, from the start and after each reload."""

    def __init__(self, settings: HttpSettings, shared: Callable[[], SharedWork]) -> None:
        """`shared`: what the process's sources share."""
        self._settings = settings
        self._shared = shared
        self._log = logging.getLogger()
        self._snapshot: Callable[[], ProcessSnapshot] | None = None
        self._serving: Serving | None = None
        self._reported = ""

    @contextmanager
    def beside(
        self, snapshot: Callable[[], ProcessSnapshot], log: logging.Logger
    ) -> Iterator[None]:
        """A context in which HTTP is served, if enabled. Raises OperatorError if that fails."""
        self._log = log
        self._snapshot = lambda: replace(snapshot(), shared=self._shared())
        try:
            self._serving = self._start(self._settings, None)
            yield
        finally:
            if self._serving:
                self._serving.stop()

    def plan(self, settings: Settings, plan: Plan) -> Plan:
        """The plan, with the open files and steps that HTTP adds."""
        files = plan.files
        if settings.http.http_listen:
            files += HTTP_FILES
        return replace(plan, files=files, adopted=lambda: self._adopt(settings))

    def _start(self, http: HttpSettings, settings: Settings | None) -> "Serving | None":
        if http.http_listen is None or self._snapshot is None:
            return None
        # Most processes do not need it.
        from queue_mover.reporting.web.serving import Serving  # noqa: PLC0415

        return Serving(http, settings, self._snapshot, self._log)

    def _adopt(self, settings: Settings) -> None:
        """Apply the settings that the service has adopted; if that fails, log it and keep the old
        address."""
        if not (self._serving or settings.http.http_listen):
            return
        try:
            self._change(settings)
            self._reported = ""
        except OperatorError as error:
            if str(error) != self._reported:
                self._reported = str(error)
                self._log.error("%s", error)

    def _change(self, settings: Settings) -> None:
        before, http = self._serving, settings.http
        if before:
            before.follow(settings)
        if before and http.http_listen:
            if before.change(http):
                self._settings = http
                return
            if http.http_listen.port == before.address.port:
                # The old address may be a part of the new one.
                self._restart(settings)
                return
        self._serving = self._start(http, settings)
        self._settings = http
        if before:
            before.stop()

    def _restart(self, settings: Settings) -> None:
        assert self._serving is not None
        self._serving.stop()
        self._serving = None
        try:
            self._serving = self._start(settings.http, settings)
        except OperatorError:
            self._serving = self._start(self._settings, settings)
            raise
        self._settings = settings.http
