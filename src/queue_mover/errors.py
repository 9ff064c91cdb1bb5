"""All errors that the program raises on purpose.

An `OperatorError` is for the operator: one line with what is wrong and the remedy, never a
traceback. Any other error is the program's: it is logged, rolled back and retried.
"""


class QueueMoverError(Exception):
    """Base class of all errors raised on purpose."""


class OperatorError(QueueMoverError):
    """Something an operator must fix; the message is one line and names the remedy."""


class ConfigError(OperatorError):
    """The config file or a switch cannot be used."""


class UnknownSourceError(ConfigError):
    """The file has no such source."""


class NotReadyError(OperatorError):
    """A database lacks what the job needs: PgQ, a queue, a registration, a privilege.

    Ends the program at its start; retried once events have moved, since what is missing
    may be restored.
    """


class UnregisteredError(OperatorError):
    """The consumer of a running mover is gone from both sides: somebody removed it on purpose.

    Not a failure and never retried: the mover ends.
    """


class LostPositionError(OperatorError):
    """The position on the target fits neither end of the source's active batch.

    Never retried: only an operator can tell which side is right.
    """


class UnlockedMoverError(OperatorError):
    """Another mover, which takes no locks, moves the batches of this consumer.

    Never retried: running both would double events.
    """


class BadEventError(OperatorError):
    """The target rejects one of the events, and would do so again."""

    def __init__(
        self, reason: str, line: int = 0, column: str = "", queue: bytes | None = None
    ) -> None:
        """`line`: the event's number in the batch, from 1; 0: unknown. `queue`: the name in the
        event by which a batch is split, and `line` counts only the events with that name."""
        super().__init__(reason)
        self.reason = reason
        self.line = line
        self.column = column
        self.queue = queue


class UnknownQueueError(BadEventError):
    """The field by which a batch is split names no queue that the event may go to."""


class ExpressionError(OperatorError):
    """An operator's SQL expression fails for an event; retried, since a reload may correct it."""


class UnavailableError(QueueMoverError):
    """A server is unavailable, or the connection was lost; retried later."""

    def __init__(self, message: str, place: str = "", kind: str = "") -> None:
        """`place`: which database, for messages. `kind`: distinguishes this outage from others of
        the same database; empty if the server is simply unavailable."""
        super().__init__(message)
        self.place = place or message
        self.kind = kind


class StoppingError(QueueMoverError):
    """The service is stopping, so the work did not begin; not a failure."""


class StatementError(QueueMoverError):
    """A statement failed for any other reason; `__cause__` is the driver's error."""
