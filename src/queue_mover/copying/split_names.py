"""The names by which one batch is split: which queues they are, and why some are refused."""

import shlex
from collections.abc import Iterable
from dataclasses import replace

from queue_mover.errors import NotReadyError
from queue_mover.model import Route
from queue_mover.pgq.named_queues import NamedQueue, find_queues
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.statements import quote_ident, quote_literal
from queue_mover.postgres.translation import one_line, translating_errors

QUARANTINE = "on_bad_event = quarantine moves the batch without it"

_SHOWN = 200
"""The most characters of a name that a message shows."""


class SplitNames:
    """Looks up each name once; good for one transaction on the target, which has its ID."""

    def __init__(
        self,
        connection: Connection,
        route: Route,
        codec: str,
        *,
        same_database: bool,
        insert: bool,
    ) -> None:
        """`connection`: to the target. `codec`: Python's for the names; "ascii" for any bytes.
        `same_database`: the source is the same database, so no event may go back to its queue.
        `insert`: events are written with `pgq.insert_event`."""
        self.connection = connection
        self.column = route.split_field
        self._route = route
        self._codec = codec
        self._same_database = same_database
        self._insert = insert
        self._known: dict[bytes, NamedQueue | None] = {}

    def find(self, names: Iterable[bytes]) -> None:
        """Look up the new ones among some names: one round trip, if there are any.

        Raises NotReadyError for a queue that cannot be written to.
        """
        new = {name: self._normalized(name) for name in names if name not in self._known}
        if not new:
            return
        flavour = self._route.target_flavour
        with translating_errors("target", flavour):
            found = find_queues(
                self.connection,
                filter(None, new.values()),
                flavour,
                raw=self._codec == "ascii",
                tables=not self._insert,
            )
        for name, normalized in new.items():
            queue = self._known[name] = found.get(normalized)
            if queue:
                self._require_writable(name, queue)

    def _normalized(self, name: bytes) -> bytes:
        """A name in UTF-8, or as the database stores it; empty: not valid, so no queue has it."""
        if self._codec == "ascii":
            return name
        try:
            return name.decode(self._codec).encode()
        except UnicodeDecodeError:
            return b""

    def _require_writable(self, name: bytes, queue: NamedQueue) -> None:
        flavour, shown = self._route.target_flavour, self._shown(name)
        if queue.inserts_disabled:
            raise NotReadyError(
                f'target database: inserts into queue "{shown}" are disabled;'
                f" remedy: UPDATE {flavour.schema}.queue SET queue_disable_insert = false"
                f" WHERE queue_name = {quote_literal(self._text(name))}"
            )
        if not queue.may_write:
            role = quote_ident(self.connection.info.user)
            raise NotReadyError(
                f'target database: role {role} may not insert into the event tables of "{shown}";'
                f" remedy: GRANT {flavour.admin} TO {role}, or write_with = insert_event"
            )

    def refusal(self, name: bytes) -> str:
        """Why events of a name that was looked up are refused; empty: they are not."""
        if not name:
            return f"{self.column} is empty or NULL and names no queue"
        if self._known[name] is None:
            return (
                f'{self.column} names queue "{self._shown(name)}", which the target does not have'
            )
        if self._same_database and self._normalized(name) == self._route.queue.encode():
            return f'{self.column} names the source queue itself, "{self._shown(name)}"'
        return ""

    def remedy(self, name: bytes) -> str:
        """What helps against `refusal`, for a message."""
        if not name or self._known.get(name):
            return QUARANTINE
        return f"pgqadm.py CONFIG create {shlex.quote(self._shown(name))}, or {QUARANTINE}"

    def table(self, name: bytes) -> str:
        """The event table of a name that is not refused."""
        queue = self._known[name]
        assert queue is not None
        return queue.table

    def route_to(self, name: bytes) -> Route:
        """The route of the events of a name that is not refused."""
        return replace(self._route, target_queue=self._text(name))

    def place(self, name: bytes) -> str:
        """The queue of a name, for a message about one of its events."""
        return f'for queue "{self._shown(name)}"'

    def _shown(self, name: bytes) -> str:
        text = one_line(self._text(name))
        return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."

    def _text(self, name: bytes) -> str:
        codec = "utf-8" if self._codec == "ascii" else self._codec
        return name.decode(codec, "backslashreplace")
