"""The log's file, which may be on a disk that gets full.

Apart from `logs`, since `logging.handlers` takes a while to import.
"""

import logging
import sys
from logging.handlers import RotatingFileHandler


class LogFile(RotatingFileHandler):
    """Says once that it cannot write, and once that it can again; the standard one would print a
    traceback for each record."""

    _failing = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or note that it could not be written."""
        before, self._failing = self._failing, False
        super().emit(record)
        if self._failing == before:
            return
        # These go to the console, and here too: a state that has not changed says nothing more.
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
        """Close the file; what is still to be written to a full disk is lost."""
        try:
            super().close()
        except OSError:
            # Its buffer stays full: without it, the end of the process would fail the same way.
            self.stream = None
