"""The log file, which may be on a disk that gets full.

Separate from `logs`, since `logging.handlers` takes a while to import.
"""

import logging
import sys
from logging.handlers import RotatingFileHandler


class LogFile(RotatingFileHandler):
    """Logs once that it cannot write, and once that it can again; the base class would print a
    traceback for each record."""

    _failing = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; log a change between writable and not."""
        before, self._failing = self._failing, False
        super().emit(record)
        if self._failing == before:
            return
        # These come back here, but then the state has not changed.
        log = logging.getLogger(record.name)
        if self._failing:
            log.error(
                "logfile: cannot write %s: %s; the process continues, without these lines in the"
                " file; remedy: free disk space",
                self.baseFilename,
                self._reason,
            )
        else:
            log.warning("logfile: %s is writable again", self.baseFilename)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Called by the base class inside its `except`."""
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            self._failing, self._reason = True, error.strerror or str(error)
        else:
            super().handleError(record)

    def close(self) -> None:
        """Close the file; what is still buffered for a full disk is lost."""
        try:
            super().close()
        except OSError:
            # Its buffer stays full: flushing it at exit would fail the same way.
            self.stream = None
