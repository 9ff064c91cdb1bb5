"""Log handlers and formats."""

import logging
import socket
import stat
import sys
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from queue_mover.errors import ConfigError
from queue_mover.model import Log
from queue_mover.system import journal
from queue_mover.system.files import is_visible, write_remedy

LOG_FORMAT = "%(asctime)s %(process)s %(levelname)s %(message)s"

TRACE = 5
"""Below DEBUG: everything, the driver's messages included; switched on by -vv."""


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Where the log goes, and its line formats; empty: the default."""

    job_name: str
    service_name: str
    logfile: Path | None
    log_size: int
    log_count: int
    log_format: str
    logfmt_file: str
    logfmt_console: str
    logdatefmt_file: str
    logdatefmt_console: str
    logfmt_file_verbose: str
    logfmt_console_verbose: str
    logdatefmt_file_verbose: str
    logdatefmt_console_verbose: str
    use_skylog: int
    skylog_locations: tuple[str, ...]


def logger(job_name: str, source: str) -> Log:
    """The job's log; where a process has many sources, lines begin with the source's name."""
    log = logging.getLogger(job_name)
    return _SourceLog(log, {"source": source}) if source else log


class _SourceLog(logging.LoggerAdapter[logging.Logger]):
    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        assert self.extra is not None
        source = str(self.extra["source"])
        # With values the message is a format, and the name, that of a queue perhaps, may have a %.
        prefix = source.replace("%", "%%") if args else source
        super().log(level, f"{prefix}: {msg}", *args, **kwargs)

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        return msg, {**kwargs, "extra": self.extra}


def start(
    settings: LogSettings, level: int, *, daemon: bool, console_level: int = logging.NOTSET
) -> None:
    """Set the handlers of the root logger, replacing previous ones; files are reopened.

    console_level: lower levels do not go to stderr.

    Raises ConfigError when the log file or the logging config cannot be used.
    """
    logging.addLevelName(TRACE, "TRACE")
    logging.captureWarnings(True)
    handlers = _handlers(settings, level)
    handlers[-1].setLevel(console_level)
    _identify(settings)
    root = logging.getLogger()
    before = root.handlers[:]
    skylog = settings.use_skylog >= 2 or (
        settings.use_skylog == 1 and (daemon or not sys.stdout.isatty())
    )
    if skylog:
        try:
            _load_config(settings)
        except ConfigError:
            # It may be half loaded; the previous handlers must log the error.
            root.handlers[:] = before
            raise
        # The loaded config is responsible for the console.
        handlers = handlers[:-1]
    # At once: a line that another thread writes meanwhile would find none, or both.
    loaded = [handler for handler in root.handlers if handler not in before]
    root.handlers[:] = [*loaded, *handlers]
    for handler in before:
        handler.close()
    root.setLevel(level)
    # The driver logs each pipeline step at DEBUG: that is "everything", not "verbose".
    logging.getLogger("psycopg").setLevel(level if level <= TRACE else logging.WARNING)


def _identify(settings: LogSettings) -> None:
    """Give each record the attributes that formats of old logging configs use."""
    names = {
        "hostname": socket.gethostname(),
        "service_name": settings.service_name,
        "job_name": settings.job_name,
    }
    make = logging.getLogRecordFactory()
    # A reload replaces ours, not one that wraps it.
    if isinstance(make, partial) and make.func is _record:
        make = make.args[0]
    logging.setLogRecordFactory(partial(_record, make, names))


def _record(
    make: Callable[..., logging.LogRecord], names: dict[str, str], *args: Any, **kwargs: Any
) -> logging.LogRecord:
    record = make(*args, **kwargs)
    vars(record).update(names)
    return record


def _handlers(settings: LogSettings, level: int) -> list[logging.Handler]:
    """The file's, if any, then the console's."""
    verbose = level < logging.INFO
    console = logging.StreamHandler()
    console.setFormatter(_formatter(settings, "console", verbose=verbose))
    handlers: list[logging.Handler] = [console]
    if settings.logfile:
        file = _open(settings.logfile, settings)
        file.setFormatter(_formatter(settings, "file", verbose=verbose))
        handlers.insert(0, file)
    return handlers


def _open(path: Path, settings: LogSettings) -> logging.Handler:
    try:
        if path.is_symlink() and path.parent.stat().st_mode & stat.S_IWOTH:
            raise ConfigError(
                f"logfile: {path} is a symbolic link in a world-writable directory;"
                " remedy: use a directory of its own"
            )
        # Imported only when needed: --version and the signal switches start faster without it.
        make = import_module("queue_mover.system.logfile").LogFile
        handler: logging.Handler = make(
            path,
            maxBytes=settings.log_size,
            backupCount=settings.log_count,
            errors="backslashreplace",
        )
    except OSError as error:
        remedy = write_remedy("logfile", path, error.errno or 0, exists=is_visible(path))
        raise ConfigError(
            f"logfile: cannot write {path}: {error.strerror}; remedy: {remedy}"
        ) from None
    return handler


def _formatter(settings: LogSettings, kind: str, *, verbose: bool) -> logging.Formatter:
    def chosen(name: str) -> str:
        usual: str = getattr(settings, f"{name}_{kind}")
        return (verbose and getattr(settings, f"{name}_{kind}_verbose")) or usual

    to_journal = kind == "console" and journal.connected()
    default = journal.LINE_FORMAT if to_journal else LOG_FORMAT
    try:
        formatter = logging.Formatter(chosen("logfmt") or default, chosen("logdatefmt") or None)
    except ValueError as error:
        raise ConfigError(f"logfmt_{kind}: {error}") from None
    if settings.log_format == "json":
        # Imported only when needed, as the log file above.
        formatter = import_module("queue_mover.system.json_log").JsonFormatter()
    return journal.JournalFormatter(formatter) if to_journal else formatter


def skylog_file(settings: LogSettings) -> Path:
    """The logging config that use_skylog asks for. Raises ConfigError if there is none."""
    candidates = [Path(name).expanduser() for name in settings.skylog_locations]
    found = next((path for path in candidates if is_visible(path) and path.is_file()), None)
    if found is None:
        raise ConfigError("skylog.ini not found; remedy: set use_skylog = 0, or skylog_locations")
    return found


def _load_config(settings: LogSettings) -> None:
    found = skylog_file(settings)
    _offer_skylog_handlers(settings)
    defaults = {"job_name": settings.job_name, "service_name": settings.service_name}
    try:
        import_module("logging.config").fileConfig(found, defaults, disable_existing_loggers=False)
    except ModuleNotFoundError as error:
        if error.name != "skylog":
            raise _unusable(found, error) from error
        raise ConfigError(
            f"{found}: its skylog handlers are not installed;"
            " remedy: pip install 'queue-mover[skylog]'"
        ) from error
    except Exception as error:
        # Its handlers may raise anything.
        raise _unusable(found, error) from error


def _unusable(path: Path, error: Exception) -> ConfigError:
    return ConfigError(f"{path}: not a usable logging config: {' '.join(str(error).split())}")


def _offer_skylog_handlers(settings: LogSettings) -> None:
    """Old configs name handlers as skylog.X; the optional package `skytools` has them."""
    try:
        skylog = import_module("skytools.skylog")
    except ImportError:
        return
    skylog.set_service_name(settings.service_name, settings.job_name)
    logging.skylog = skylog  # type: ignore[attr-defined]
