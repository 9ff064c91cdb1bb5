"""Check changed SQL expressions before a reload replaces the movers that run."""

from collections.abc import Iterable, Sequence
from importlib import import_module

from queue_mover.config.settings import MoverSettings
from queue_mover.errors import ConfigError, NotReadyError, UnavailableError
from queue_mover.service.mover_job import source_database

AT_ONCE = 8
"""Sources that are checked at the same time."""

_Key = tuple[str, tuple[tuple[str, str], ...]]


class ReloadCheck:
    """Which expressions run. Used by the thread that reads the config."""

    def __init__(self) -> None:
        self._known: frozenset[_Key] = frozenset()

    def check(self, movers: Iterable[MoverSettings], *, fresh: bool) -> None:
        """Raise ConfigError if a source refuses an expression that is new in a reload (`fresh`).

        A start and a refresh are left to the movers themselves, as are sources that cannot be
        reached.
        """
        shaped = {
            (mover.src_db, mover.route.expressions): mover
            for mover in movers
            if mover.route.expressions
        }
        changed = [mover for key, mover in shaped.items() if key not in self._known]
        if fresh and changed:
            _require_usable(changed)
        self._known = frozenset(shaped)


def _require_usable(movers: Sequence[MoverSettings]) -> None:
    # Imported when used: a start does not wait for it.
    pool = import_module("concurrent.futures").ThreadPoolExecutor(AT_ONCE)
    with pool:
        refused = [each for each in pool.map(_refusal, movers) if each]
    if refused:
        raise ConfigError(refused[0])


def _refusal(mover: MoverSettings) -> str:
    """Why the source refuses an expression; "": it does not, or cannot be reached."""
    check = import_module("queue_mover.observation.expression_findings")
    database = source_database(mover)
    try:
        with database.session() as connection:
            check.require_expressions(connection, mover.route)
    except NotReadyError as error:
        return f"[source:{mover.source}]: {error}" if mover.source else str(error)
    except UnavailableError:
        pass
    finally:
        database.close()
    return ""
