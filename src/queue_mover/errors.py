"""Every error the program raises on purpose, on one screen.

Two kinds matter to the caller. An `OperatorError` is for the person at the
keyboard: one line that says what is wrong and what to do, never a traceback.
Anything else is the program's: it is logged, rolled back and retried.
"""


class QueueMoverError(Exception):
    """Root of all errors raised on purpose."""


class OperatorError(QueueMoverError):
    """Something a person has to put right; the message is one line and names the remedy."""


class ConfigError(OperatorError):
    """The config file or a switch cannot be used."""


class UnknownSourceError(ConfigError):
    """The file has no such source."""


class NotReadyError(OperatorError):
    """A database lacks what the job needs: PgQ, a queue, a registration, a privilege.

    Ends the program at its start; once events have moved it is retried,
    since whoever took the thing away may bring it back.
    """


class UnregisteredError(OperatorError):
    """The consumer of a running mover has gone from both sides: somebody took it away on purpose.

    Nothing to retry and nothing amiss: the mover ends.
    """


class LostPositionError(OperatorError):
    """The position on the target fits neither end of the source's active batch.

    Never retried: only a person can tell which side is right.
    """


class UnlockedMoverError(OperatorError):
    """Another mover, one that takes no locks, moves the batches of this consumer.

    Never retried: side by side with it, events would be doubled.
    """


class BadEventError(OperatorError):
    """The target cannot take one of the events, and never will as things are."""

    def __init__(self, reason: str, line: int = 0, column: str = "") -> None:
        """`line` counts the batch's events from 1; 0: not known."""
        super().__init__(reason)
        self.reason = reason
        self.line = line
        self.column = column


class UnavailableError(QueueMoverError):
    """A server cannot be reached, or went away; worth another try in a while."""

    def __init__(self, message: str, place: str = "", kind: str = "") -> None:
        """`place`: which database, in words. `kind`: what tells this outage from another one of
        that database; empty for the many words that a server has for being away."""
        super().__init__(message)
        self.place = place or message
        self.kind = kind


class StoppingError(QueueMoverError):
    """The service was told to stop before the work began; nothing is amiss."""


class StatementError(QueueMoverError):
    """A statement failed for a reason the program does not know; `__cause__` has the driver's."""
