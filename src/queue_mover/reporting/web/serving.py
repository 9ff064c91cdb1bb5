"""HTTP in a running process: started, changed and stopped by its main thread."""

import logging
from collections.abc import Callable

from queue_mover.config.http import Address, HttpSettings
from queue_mover.config.settings import Settings
from queue_mover.observation.progress import ProcessSnapshot
from queue_mover.reporting.web.look import Question
from queue_mover.reporting.web.looker import Looker
from queue_mover.reporting.web.security import Guard, read_token, require_token
from queue_mover.reporting.web.server import Server, listen, resolve
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
        """Listen from now on. `movers`: what to poll; None: not known yet.

        Raises OperatorError if the address cannot be used, or needs a token.
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
        """Poll the sources of these settings from now on."""
        self._looker.follow(_question(settings))

    def change(self, settings: HttpSettings) -> bool:
        """Apply other settings, if the address stays the same; returns whether it does. Raises
        OperatorError."""
        if settings.http_listen != self.address:
            return False
        guard = guard_of(settings)
        require_token(guard.address, self._server.ip, guard.token)
        self._site.guard = guard
        return True

    def stop(self) -> None:
        """Stop listening and polling."""
        self._server.stop()
        self._looker.stop()


def _question(settings: Settings) -> Question:
    return Question(settings.movers, settings.refused)


def require_usable(settings: HttpSettings, *, is_free: bool) -> None:
    """Raise OperatorError if a start could not serve HTTP. `is_free`: no process of this config
    runs, so nothing may listen on the address."""
    if settings.http_listen is None:
        return
    guard = guard_of(settings)
    ip = resolve(guard.address)[1]
    require_token(guard.address, ip, guard.token)
    if is_free:
        listen(guard.address).close()


def guard_of(settings: HttpSettings) -> Guard:
    """The guard that the settings ask for. Raises OperatorError."""
    assert settings.http_listen is not None
    path = settings.http_token_file
    return Guard(settings.http_listen, read_token(path) if path else None)
