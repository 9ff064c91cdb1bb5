"""An ini file with its meaning: frozen, validated settings."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from queue_mover.config import inifile, kinds, parameters
from queue_mover.config.inifile import IniFile
from queue_mover.config.parameters import Group, Parameter
from queue_mover.errors import ConfigError
from queue_mover.model import BatchLimits, Route

T = TypeVar("T", "ProcessSettings", "LogSettings")


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """How a process lives; times in seconds."""

    job_name: str
    service_name: str
    pidfile: Path | None
    loop_delay: float
    connection_lifetime: float
    exception_sleep: float
    exception_quiet: tuple[str, ...]
    exception_grace: float
    exception_reset: float
    keepalive_stats: float

    @property
    def looping(self) -> bool:
        """Whether it goes on when there is nothing to do, and after errors."""
        return self.loop_delay > 0


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Where the log goes and how its lines look; empty formats mean the default."""

    job_name: str
    service_name: str
    logfile: Path | None
    log_size: int
    log_count: int
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


@dataclass(frozen=True, slots=True)
class MoverSettings:
    """One source queue and where it goes."""

    src_db: str
    dst_db: str
    route: Route
    limits: BatchLimits
    auto_register: bool
    on_bad_event: str


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything queue_mover3 reads from its file."""

    process: ProcessSettings
    log: LogSettings
    mover: MoverSettings
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AdminSettings:
    """Everything pgqadm reads from its file; delays in seconds."""

    process: ProcessSettings
    log: LogSettings
    db: str
    maint_delay: float
    retry_delay: float
    pgq_sql: Path | None
    warnings: tuple[str, ...]


def load_mover(path: Path, overrides: Mapping[str, str]) -> Settings:
    """Read a queue_mover3 file. Raises ConfigError, one line for the first thing wrong."""
    ini = inifile.read(path, ("queue_mover3", "queue_mover"), overrides)
    values = _values(ini, parameters.MOVER)
    route = Route(
        queue=values["queue_name"],
        consumer=values["consumer_name"],
        target_queue=values["dst_queue_name"],
        tables=values["table_filter"],
    )
    limits = BatchLimits(
        max_events=values["max_batch_events"],
        min_events=values["pgq_batch_collect_events"],
        min_interval=values["pgq_batch_collect_interval"],
        keep_lag=values["pgq_keep_lag"],
    )
    mover = MoverSettings(
        values["src_db"],
        values["dst_db"],
        route,
        limits,
        values["auto_register"],
        values["on_bad_event"],
    )
    return Settings(
        _pick(ProcessSettings, values),
        _pick(LogSettings, values),
        mover,
        (*ini.warnings, *_unknown_keys(ini, parameters.MOVER)),
    )


def load_admin(path: Path, overrides: Mapping[str, str]) -> AdminSettings:
    """Read a pgqadm file. Raises ConfigError, one line for the first thing wrong."""
    ini = inifile.read(path, ("pgqadm",), overrides)
    values = _values(ini, parameters.ADMIN)
    return AdminSettings(
        _pick(ProcessSettings, values),
        _pick(LogSettings, values),
        values["db"],
        values["maint_delay"],
        values["retry_delay"],
        values["pgq_sql"],
        (*ini.warnings, *_unknown_keys(ini, parameters.ADMIN)),
    )


def _values(ini: IniFile, groups: tuple[Group, ...]) -> dict[str, Any]:
    job_name = ini.get(ini.main, "job_name") or ini.path.stem
    values = {
        parameter.name: _value(ini, parameter, job_name)
        for group in groups
        for parameter in group.parameters
    }
    return values | {"job_name": job_name, "service_name": ini.get(ini.main, "service_name")}


def _value(ini: IniFile, parameter: Parameter, job_name: str) -> object:
    text = _text(ini, parameter)
    if not text:
        text = (parameter.default or "").replace("%(job_name)s", job_name)
    try:
        return parameter.kind.parse(text)
    except ValueError as error:
        shown = "" if parameter.kind is kinds.CONNECT else f" {text!r} is"
        raise ConfigError(f"{ini.path}: {parameter.name}:{shown} {error}") from None


def _text(ini: IniFile, parameter: Parameter) -> str:
    """The value as written; the older spelling wins; empty counts as not set."""
    texts = [ini.get(ini.main, key) for key in (parameter.older, parameter.name) if key]
    text = next((text for text in texts if text), "")
    if not text and parameter.default is None:
        state = "missing from" if texts[-1] is None else "empty in"
        raise ConfigError(
            f"{ini.path}: {parameter.name}: {state} [{ini.main}]; it is the {parameter.meaning}"
        )
    return text


def _unknown_keys(ini: IniFile, groups: tuple[Group, ...]) -> list[str]:
    """A misspelt key is told, not refused; one that others refer to is a variable."""
    known = {parameter.name for group in groups for parameter in group.parameters}
    known |= {parameter.older for group in groups for parameter in group.parameters}
    known |= {*parameters.AUTOMATIC, *ini.referred(ini.main)}
    return [
        f"{ini.path}: {key}: unknown key" + _suggestion(key, known)
        for key in ini.keys(ini.main)
        if key not in known
    ]


def _suggestion(key: str, known: set[str]) -> str:
    close = difflib.get_close_matches(key, sorted(known), n=1)
    return f", did you mean {close[0]}?" if close else ""


def _pick(settings: type[T], values: Mapping[str, Any]) -> T:
    return settings(**{field.name: values[field.name] for field in fields(settings)})
