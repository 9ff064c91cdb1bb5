"""All errors of a mover's config, and as much of it as can be used."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from glob import escape
from pathlib import Path

from queue_mover.config import config_warnings
from queue_mover.config.config_errors import bad_values
from queue_mover.config.loading import load_mover
from queue_mover.config.settings import Settings
from queue_mover.config.sources import choose
from queue_mover.errors import ConfigError, OperatorError, UnavailableError, UnknownSourceError
from queue_mover.observation.findings import REMEDY, Code, Finding, Place, Severity

CORRECT = "correct the file; queue_mover3 --ini prints a sample with every key"

NAME = "name a config file that this user can read; queue_mover3 --ini prints a sample"

ONE_BY_ONE = 100
"""The most sources of a file with a conflict that are tried one by one."""


def read_config(
    path: Path, overrides: Mapping[str, str], wanted: Sequence[str]
) -> tuple[Settings | None, list[Finding]]:
    """The sources of a file that can be used, None if there is none; and the findings.

    `wanted` are names of sources, with wildcards; empty: all. Errors become findings.
    """
    try:
        settings = load_mover(path, overrides, wanted)
    except UnavailableError as error:
        return None, [_unusable(str(error), "check the server, and list_db in [sources]")]
    except ConfigError as error:
        return _usable(path, overrides, wanted, error)
    return settings, _warnings(path, settings)


def refused_at_start(error: OperatorError) -> Finding:
    """What can be loaded, but would end the start."""
    return _finding(str(error), CORRECT, Severity.PROBLEM)


def _usable(
    path: Path, overrides: Mapping[str, str], wanted: Sequence[str], first: ConfigError
) -> tuple[Settings | None, list[Finding]]:
    if isinstance(first, UnknownSourceError):
        return None, [
            _unusable(str(first), "one of the names in the file, or no --source for all of them")
        ]
    try:
        found, names = bad_values(path, overrides)
        names = choose(names, wanted)
    except ConfigError as error:
        return None, [_unusable(text) for text in dict.fromkeys((str(first), str(error)))]
    # A bad value of the main section is replaced by its default, to check the rest.
    stand_in = {c.key: "" for c in found if not c.source and c.is_optional}
    bad = {each.source for each in found if each.source}
    good = [name for name in names if name not in bad]
    texts = [str(first), *(each.text for each in found)]
    settings = None
    if good or not names:
        patterns = [escape(name) for name in good] if bad else wanted
        settings, errors = _load(path, {**overrides, **stand_in}, patterns, good)
        texts += errors
    problems = [_unusable(text) for text in dict.fromkeys(texts)]
    return settings, problems + (_warnings(path, settings) if settings else [])


def _load(
    path: Path, overrides: Mapping[str, str], wanted: Sequence[str], names: Sequence[str]
) -> tuple[Settings | None, list[str]]:
    """The sources that can be used, together or, where they conflict, each by itself."""
    try:
        return load_mover(path, overrides, wanted), []
    except UnavailableError as error:
        return None, [str(error)]
    except ConfigError as error:
        errors = [str(error)]
    loaded = []
    for name in names[:ONE_BY_ONE]:
        try:
            loaded.append(load_mover(path, overrides, [escape(name)]))
        except (ConfigError, UnavailableError) as error:
            errors.append(str(error))
    if not loaded:
        return None, errors
    movers = tuple(mover for settings in loaded for mover in settings.movers)
    return replace(loaded[0], movers=movers), errors


def _warnings(path: Path, settings: Settings) -> list[Finding]:
    files = {"pidfile": settings.process.pidfile, "logfile": settings.log.logfile}
    warnings = (*settings.warnings, *config_warnings.relative_paths(path, files))
    return [
        *_refused(settings.refused.items()),
        *(_finding(text, CORRECT, Severity.WARNING) for text in warnings),
    ]


def _refused(rows: Iterable[tuple[str, str]]) -> list[Finding]:
    return [_unusable(f"{name}: {why}", "correct its row in the catalogue") for name, why in rows]


def _unusable(text: str, remedy: str = CORRECT) -> Finding:
    return _finding(text, remedy, Severity.UNKNOWN)


def _finding(text: str, otherwise: str, severity: Severity) -> Finding:
    words, _, remedy = text.partition(REMEDY)
    if words.startswith("Config file not"):
        otherwise = NAME
    return Finding(Code.CONFIG, Place(), words, remedy or otherwise, severity=severity)
