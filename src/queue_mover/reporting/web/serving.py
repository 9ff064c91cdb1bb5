"""The HTTP side of a running process: begun, changed and ended by its main thread."""

import logging
from collections.abc import Callable

from queue_mover.config.http import Address, HttpSettings
from queue_mover.config.settings import Settings
from queue_mover.observation.progress import ProcessSnapshot
from queue_mover.reporting.web.look import Question
from queue_mover.reporting.web.looker import Looker
from queue_mover.reporting.web.security import Guard, read_token, require_token
from queue_mover.reporting.web.server import Server, listen
from queue_mover.reporting.web.site import Site


class Serving:
    """A server with its site."""

    address: Address

    def __init__(
        self,
        settings: HttpSettings,
        movers: Settings | None,
        snapshot: Callable[[], ProcessSnapshot],
        log: logging.Logger,
    ) -> None:
        """Listen from now on. `movers`: what to look at; None where it is not known yet.

        Raises OperatorError where that cannot or must not be.
        """
        guard = guard_of(settings)
        self.address = guard.address
        listening = listen(guard.address)
        try:
            require_token(guard.address, listening.getsockname()[0], guard.token)
            self._looker = Looker(_question(movers) if movers else Question())
            self._site = Site(snapshot, self._looker, guard)
            self._server = Server(listening, self._site.answer, log)
            self._looker.start()
            self._server.start()
        except BaseException:
            listening.close()
            raise
        log.info("HTTP: listening on http://%s/", guard.address)

    def follow(self, settings: Settings) -> None:
        """The process has other sources."""
        self._looker.follow(_question(settings))

    def change(self, settings: HttpSettings) -> bool:
        """Take over other settings, if it can on the same address. Raises OperatorError."""
        if settings.http_listen != self.address:
            return False
        guard = guard_of(settings)
        require_token(guard.address, self._server.ip, guard.token)
        self._site.guard = guard
        return True

    def stop(self) -> None:
        """Listen no more."""
        self._server.stop()
        self._looker.stop()


def _question(settings: Settings) -> Question:
    return Question(settings.movers, settings.refused)


def guard_of(settings: HttpSettings) -> Guard:
    """Who may ask. Raises OperatorError."""
    assert settings.http_listen is not None
    path = settings.http_token_file
    return Guard(settings.http_listen, read_token(path) if path else None)
