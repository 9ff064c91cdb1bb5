"""Lines for the systemd journal: each begins with its priority, such as `<3>` for an error."""

import logging
import os

LINE_FORMAT = "%(levelname)s %(message)s"
"""Without time and pid, which the journal adds."""

_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_DEBUG = 7


def connected() -> bool:
    """Whether stderr leads to the journal, as systemd says in $JOURNAL_STREAM."""
    stream = os.environ.get("JOURNAL_STREAM")
    if not stream:
        return False
    try:
        found = os.fstat(2)
    except OSError:
        return False
    return stream == f"{found.st_dev}:{found.st_ino}"


def marked(level: int, text: str) -> str:
    """A text for stderr: with priorities if that leads to the journal, else unchanged."""
    return _prefixed(level, text) if connected() else text


class JournalFormatter(logging.Formatter):
    """Prefixes the output of another formatter with the priority, each line of a traceback too."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """The prefixed lines of a record."""
        return _prefixed(record.levelno, self._inner.format(record))


def _prefixed(level: int, text: str) -> str:
    priority = next((number for least, number in _PRIORITIES if level >= least), _DEBUG)
    return "\n".join(f"<{priority}>{line}" for line in text.split("\n"))
