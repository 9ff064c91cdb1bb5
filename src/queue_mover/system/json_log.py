"""`log_format = json`: each record is one JSON object on a line of its own.

Separate from `logs`, since it is imported only where it is used.
"""

import json
import logging
import time

from queue_mover.system.statistics_line import StatisticsLine


class JsonFormatter(logging.Formatter):
    """Keys: time, level, pid, job, source, message, statistics, exception; the last two and the
    source only where there are any. docs/systemd.md describes them."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON, in ASCII, without a line break."""
        message = record.getMessage()
        source = getattr(record, "source", "")
        statistics = _statistics(record)
        source = statistics.pop("source", source)
        shape = {
            "time": _utc(record.created),
            "level": record.levelname,
            "pid": record.process,
            "job": getattr(record, "job_name", record.name),
            "source": source,
            "message": message.removeprefix(f"{source}: ") if source else message,
            "statistics": statistics,
            "exception": self._exception(record),
        }
        optional = ("source", "statistics", "exception")
        kept = {key: value for key, value in shape.items() if value or key not in optional}
        return json.dumps(kept, default=str)

    def _exception(self, record: logging.LogRecord) -> str:
        texts = [record.exc_text or "", record.stack_info or ""]
        if record.exc_info and not record.exc_text:
            texts[0] = self.formatException(record.exc_info)
        return "\n".join(filter(None, texts))


def _statistics(record: logging.LogRecord) -> dict[str, object]:
    """The values of a statistics line; empty for any other."""
    line = record.args[0] if isinstance(record.args, tuple) and record.args else None
    return dict(line.values) if isinstance(line, StatisticsLine) else {}


def _utc(seconds: float) -> str:
    """An RFC 3339 time with milliseconds."""
    milliseconds = int(seconds * 1000)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000))
    return f"{stamp}.{milliseconds % 1000:03d}Z"
