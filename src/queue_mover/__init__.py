"""Moves events from one PgQ queue into another, exactly once.

For programs that move events themselves: `Mover`, `MovedBatch`, `Ticks` and the errors. These names
are stable; every module of the package is private.
"""

from importlib import import_module

# As typing's, which a start does not wait for.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from queue_mover.errors import (
        BadEventError,
        ConfigError,
        ExpressionError,
        LostPositionError,
        NotReadyError,
        OperatorError,
        QueueMoverError,
        StatementError,
        StoppingError,
        UnavailableError,
        UnknownSourceError,
        UnlockedMoverError,
        UnregisteredError,
    )
    from queue_mover.library.moved_batch import MovedBatch, Ticks
    from queue_mover.library.mover import Mover

__version__ = "4.0.0"

__all__ = [
    "BadEventError",
    "ConfigError",
    "ExpressionError",
    "LostPositionError",
    "MovedBatch",
    "Mover",
    "NotReadyError",
    "OperatorError",
    "QueueMoverError",
    "StatementError",
    "StoppingError",
    "Ticks",
    "UnavailableError",
    "UnknownSourceError",
    "UnlockedMoverError",
    "UnregisteredError",
    "__version__",
]

_MODULES = {
    "Mover": "queue_mover.library.mover",
    "MovedBatch": "queue_mover.library.moved_batch",
    "Ticks": "queue_mover.library.moved_batch",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: the commands start without the library."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(_MODULES.get(name, "queue_mover.errors")), name)
    globals()[name] = found
    return found
