"""From an ini file to settings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

from queue_mover.config import config_warnings, inifile, kinds, parameters, sources, splitting
from queue_mover.config.expressions import expression
from queue_mover.config.http import HttpSettings
from queue_mover.config.inifile import IniFile
from queue_mover.config.movers import Collector, Movers
from queue_mover.config.queue_lists import QueueLists
from queue_mover.config.schema import Group, Parameter
from queue_mover.config.settings import AdminSettings, MoverSettings, ProcessSettings, Settings
from queue_mover.config.shaping_parameters import REWRITTEN
from queue_mover.errors import ConfigError
from queue_mover.model import FLAVOURS, PGQ, BatchLimits, Policy, Route
from queue_mover.system.logs import LogSettings

SECTIONS = ("queue_mover3", "queue_mover", *parameters.SPLITTER_SECTIONS)
"""One of these configures the mover, in order of preference."""

_MOVER_FILE_HINTS = dict.fromkeys(
    SECTIONS,
    "it is a mover's file; remedy: pgqadm.py status --movers {path} (or install --movers);"
    " pgqadm.py --ini prints a sample for the other commands",
)
_PGQADM_FILE_HINTS = {
    "pgqadm": "it is pgqadm's file; remedy: pgqadm.py {path} COMMAND;"
    " queue_mover3 --ini prints a sample for a mover",
}
"""What to do with a file of the other command, by its main section."""

_FLAVOURS = {flavour.schema: flavour for flavour in FLAVOURS}

T = TypeVar("T", ProcessSettings, LogSettings, HttpSettings)


def load_process(
    path: Path, overrides: Mapping[str, str]
) -> tuple[ProcessSettings, LogSettings, HttpSettings]:
    """Read only what is about the process of a queue_mover3 file: neither its sources
    nor a database. Raises ConfigError."""
    ini = inifile.read(path, SECTIONS, overrides, parameters.TWINS, hints=_PGQADM_FILE_HINTS)
    values = _values(ini, ini.main, parameters.SERVICE)
    return _pick(ProcessSettings, values), _pick(LogSettings, values), _pick(HttpSettings, values)


def load_mover(
    path: Path,
    overrides: Mapping[str, str],
    wanted: Sequence[str] = (),
    consumer: str = "",
    lists: QueueLists | None = None,
) -> Settings:
    """Read a queue_mover3 file. `wanted` are names of sources, with wildcards; empty: all.
    `consumer` replaces that of the one wanted source; without `wanted`, only the main section
    is read. `lists`: the queues of the sources, where they are remembered.

    Raises ConfigError, one line for the first error; UnavailableError when the
    database that lists the sources cannot be reached.
    """
    ini = inifile.read(path, SECTIONS, overrides, parameters.TWINS, hints=_PGQADM_FILE_HINTS)
    values = _values(ini, ini.main, parameters.SERVICE)
    catalogue = None
    alone = bool(consumer) and not wanted
    if alone and not ini.get(ini.main, "src_db"):
        raise ConfigError(
            f"{path}: --consumer without --source: [{ini.main}] has no src_db; remedy: add"
            " --source NAME, or --set src_db=... if its section is gone"
        )
    if not alone and ini.has_section(sources.CATALOGUE):
        ini.override(sources.CATALOGUE)
        catalogue = _values(ini, sources.CATALOGUE, parameters.CATALOGUE)
    included = [] if alone else sources.included(ini, values["include"])
    files = [file for _, names in included for file in names]
    found = sources.Found() if alone else sources.collect(ini, files, catalogue)
    made = Collector(ini, found, lists or QueueLists(), read_mover).collect(wanted)
    movers = made.movers
    if consumer:
        movers = [_renamed(ini, made, consumer)]
    written = _written([*movers, *made.waiting.values()], made.owners, found.listed, catalogue)
    return Settings(
        _pick(ProcessSettings, values),
        _pick(LogSettings, values),
        tuple(movers),
        values["dst_connections"],
        values["share_transactions"],
        _refresh(ini, values, catalogue, finding=made.finding),
        (
            *ini.warnings,
            *config_warnings.world_readable([path, *files], written, overrides),
            *config_warnings.unknown_keys(ini, found.sections.values()),
            *config_warnings.unknown_sections(ini),
            *config_warnings.unmatched_patterns(ini, included),
        ),
        made.refused,
        _pick(HttpSettings, values),
        made.waiting,
    )


def _refresh(
    ini: IniFile, values: Mapping[str, Any], catalogue: Mapping[str, Any] | None, *, finding: bool
) -> float:
    """Seconds between refreshes; `finding`: a pattern may find further queues."""
    if catalogue and (ini.get(sources.CATALOGUE, "refresh") or not ini.get(ini.main, "refresh")):
        return float(catalogue["refresh"])
    return float(values["refresh"]) if catalogue or finding else 0


def _written(
    movers: Sequence[MoverSettings],
    owners: Mapping[str, str],
    listed: Mapping[str, str],
    catalogue: Mapping[str, Any] | None,
) -> Iterable[tuple[str, str]]:
    """The connect strings in the file, each with its key; not those of the catalogue."""
    if catalogue:
        yield "list_db", catalogue["list_db"]
    for mover in movers:
        yield "dst_db", mover.dst_db
        if listed.get(owners.get(mover.source, mover.source)) != mover.src_db:
            yield "src_db", mover.src_db


def read_mover(ini: IniFile, section: str, source: str) -> MoverSettings:
    """The settings of a source, from its section. Raises ConfigError."""
    values = _values(ini, section, parameters.source(ini.main), source)
    if values["keep_event_id"] and values["write_with"] != "copy":
        raise ConfigError(
            f"{ini.place(section)}: keep_event_id: insert_event assigns IDs of its own;"
            " remedy: write_with = copy"
        )
    if values["ev_time"] and values["write_with"] == "insert_event":
        raise ConfigError(
            f"{ini.place(section)}: ev_time: write_with = insert_event sets the time of arrival;"
            " remedy: remove one of the two"
        )
    return MoverSettings(
        source=source,
        src_db=values["src_db"],
        dst_db=values["dst_db"],
        route=Route(
            queue=values["queue_name"],
            consumer=values["consumer_name"],
            target_queue=splitting.target_queue(ini.place(section), values),
            tables=values["table_filter"],
            split_field=values["dst_queue_field"],
            source_flavour=_FLAVOURS.get(values["src_flavour"], PGQ),
            target_flavour=_FLAVOURS.get(values["dst_flavour"], PGQ),
            finds_source_flavour=not values["src_flavour"],
            finds_target_flavour=not values["dst_flavour"],
            keep_event_id=values["keep_event_id"],
            event_filter=values["event_filter"],
            rewrite=tuple((key, values[key]) for key in REWRITTEN if values[key]),
            create_target_queue=values["create_dst_queue"],
        ),
        limits=BatchLimits(
            max_events=values["max_batch_events"],
            min_events=values["pgq_batch_collect_events"],
            min_interval=values["pgq_batch_collect_interval"],
            keep_lag=values["pgq_keep_lag"],
        ),
        policy=Policy(
            auto_register=values["auto_register"],
            quarantine=values["on_bad_event"] == "quarantine",
            insert=values["write_with"] == "insert_event",
        ),
        process=_pick(ProcessSettings, values),
        trouble_after=values["trouble_after"],
    )


def _renamed(ini: IniFile, made: Movers, consumer: str) -> MoverSettings:
    """The only mover, with another consumer. Raises ConfigError where there are more, or none."""
    if len(made.movers) > 1:
        raise ConfigError(
            f"{ini.path}: --consumer works on one source; remedy: add one --source NAME"
        )
    for name, why in made.refused.items():
        raise ConfigError(f"{name}: {why}")
    (mover,) = made.movers
    return replace(mover, route=replace(mover.route, consumer=consumer))


def load_admin(path: Path, overrides: Mapping[str, str]) -> AdminSettings:
    """Read a pgqadm file. Raises ConfigError, one line for the first error."""
    ini = inifile.read(path, ("pgqadm",), overrides, hints=_MOVER_FILE_HINTS)
    values = _values(ini, ini.main, parameters.ADMIN)
    return AdminSettings(
        _pick(ProcessSettings, values),
        _pick(LogSettings, values),
        values["db"],
        _maint_delay(ini, values),
        values["retry_delay"],
        values["ticker_log_delay"],
        values["pgq_sql"],
        values["trouble_after"],
        (
            *ini.warnings,
            *config_warnings.world_readable([path], [("db", values["db"])], overrides),
            *config_warnings.unknown(ini, ini.main, parameters.ADMIN, parameters.RETIRED).values(),
        ),
        flavour=values["flavour"],
        pgque_sql=values["pgque_sql"],
    )


def override(groups: tuple[Group, ...], name: str, overrides: Mapping[str, str]) -> Any:
    """A value without a file: from the command line, else the default.

    Raises ConfigError.
    """
    (parameter,) = (p for group in groups for p in group.parameters if p.name == name)
    text = overrides.get(name) or parameter.default or ""
    try:
        return parameter.kind.parse(text)
    except ValueError as error:
        raise ConfigError(f"--set {name}: {text!r} is {error}") from None


def _maint_delay(ini: IniFile, values: Mapping[str, Any]) -> float:
    older: float | None = values["maint_delay_min"]
    if older is None or ini.get(ini.main, "maint_delay"):
        older = values["maint_delay"]
    return older


def _values(
    ini: IniFile, section: str, groups: tuple[Group, ...], source: str = ""
) -> dict[str, Any]:
    job_name = ini.get(ini.main, "job_name") or ini.job_name
    consumer = f"{job_name}.{source}" if source else job_name
    values = {
        parameter.name: parse_value(ini, section, parameter, consumer)
        for group in groups
        for parameter in group.parameters
    }
    return values | {"job_name": job_name, "service_name": ini.get(ini.main, "service_name")}


def parse_value(ini: IniFile, section: str, parameter: Parameter, consumer: str) -> object:
    text = _text(ini, section, parameter)
    if not text:
        text = (parameter.default or "").replace("%(job_name)s", consumer)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{ini.place(section)}: {parameter.name}: not valid UTF-8") from None
    try:
        return parameter.kind.parse(text)
    except ValueError as error:
        shown = "" if parameter.kind is kinds.CONNECT else f" {text!r} is"
        raise ConfigError(f"{ini.place(section)}: {parameter.name}:{shown} {error}") from None


def _text(ini: IniFile, section: str, parameter: Parameter) -> str:
    """The value as written; the older spelling wins; empty counts as not set."""
    get = expression if parameter.kind is kinds.SQL else IniFile.get
    texts = [get(ini, section, key) for key in (parameter.older, parameter.name) if key]
    # Python 2's parser treated "" as empty.
    text = next((text for text in texts if text and text != '""'), "")
    if not text and parameter.default is None and not _is_replaced(ini, section, parameter):
        state = "missing from" if texts[-1] is None else "empty in"
        raise ConfigError(
            f"{ini.path}: {parameter.name}: {state} [{section}]; it is the"
            f" {parameter.meaning.partition(';')[0]}"
        )
    return text


def _is_replaced(ini: IniFile, section: str, parameter: Parameter) -> bool:
    """Whether the parameter that makes this one not required is set, by either spelling."""
    keys = (parameter.unless, parameters.TWINS.get(parameter.unless, ""))
    return any(ini.get(section, key) for key in keys if key)


def _pick(settings: type[T], values: Mapping[str, Any]) -> T:
    return settings(**{field.name: values[field.name] for field in fields(settings)})
