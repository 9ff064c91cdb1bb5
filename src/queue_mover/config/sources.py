"""The sources of a file: its sections, those of included files, and those of a catalogue."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from glob import glob
from pathlib import Path
from typing import Any

from queue_mover.config.inifile import IniFile
from queue_mover.errors import ConfigError, StatementError, UnknownSourceError
from queue_mover.postgres.database import Database

PREFIX = "source:"
CATALOGUE = "sources"

_NAME = re.compile(r"[^\s\[\]]([^\[\]\x00-\x1f\x7f]*[^\s\[\]])?")
"""What fits into a section header and a log line."""


def included(ini: IniFile, include: Sequence[str]) -> list[tuple[str, list[Path]]]:
    """The files that each pattern of `include` names, relative to the directory of the main one.

    Raises ConfigError when a name without wildcards does not exist.
    """
    folder = ini.path.absolute().parent
    files = []
    for pattern in include:
        names = sorted(glob(pattern, root_dir=folder))  # noqa: PTH207 - may be absolute
        if not names and not set(pattern) & set("*?["):
            raise ConfigError(f"{ini.path}: include: no such file: {str(folder / pattern)!r}")
        files.append((pattern, [folder / name for name in names]))
    return files


@dataclass(frozen=True, slots=True)
class Found:
    """The sources of a file."""

    sections: Mapping[str, str] = field(default_factory=dict)
    """The section of each, by its name, with all inherited values."""
    listed: Mapping[str, str] = field(default_factory=dict)
    """Those that the catalogue lists, with their connect strings."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Rows of the catalogue that cannot be used, and why."""


def collect(ini: IniFile, files: Iterable[Path], catalogue: Mapping[str, Any] | None) -> Found:
    """Find the sources. `files` may add sections.

    A source of the catalogue may have a section, which overrides its values.
    Raises ConfigError; UnavailableError when the catalogue cannot be reached.
    """
    for path in files:
        ini.merge(path)
    listed, refused = _listed(ini, catalogue) if catalogue else ({}, {})
    written = {section.removeprefix(PREFIX).strip(): section for section in ini.sections(PREFIX)}
    sections = {}
    for name in dict.fromkeys([*written, *listed]):
        if not name:
            raise ConfigError(f"{ini.path}: [{PREFIX}]: a source needs a name")
        if name in refused:
            continue
        section = sections[name] = written.get(name, f"{PREFIX}{name}")
        connect = {"src_db": listed[name]} if name in listed else {}
        ini.inherit(section, {"source": name, **connect})
    if catalogue and not sections and not refused:
        raise ConfigError(f"{ini.path}: list_sql: returns no sources, and the file has none")
    return Found(sections, listed, refused)


def choose(
    names: Iterable[str],
    wanted: Sequence[str],
    matches: Callable[[str, str], bool] = fnmatchcase,
) -> list[str]:
    """The names that match one of the patterns; all where there are no patterns.

    `matches`: whether a name matches a pattern. Raises UnknownSourceError when a pattern matches
    none.
    """
    names = list(names)
    for pattern in wanted:
        if not any(matches(name, pattern) for name in names):
            known = ", ".join(names) or "none"
            raise UnknownSourceError(f"--source {pattern}: no such source; the file has: {known}")
    return [
        name for name in names if not wanted or any(matches(name, pattern) for pattern in wanted)
    ]


def _listed(ini: IniFile, catalogue: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """The connect strings by name, and why some rows cannot be used."""
    database = Database("catalogue", catalogue["list_db"], "queue_mover3")
    try:
        with database.session() as connection:
            rows = connection.execute(catalogue["list_sql"].encode()).fetchall()
    except StatementError as error:
        raise ConfigError(f"{ini.path}: list_sql: {error}") from error
    finally:
        database.close()
    if any(len(row) != 2 for row in rows):
        raise ConfigError(f"{ini.path}: list_sql: its rows must be (name, connect string)")
    listed, refused = dict[str, str](), dict[str, str]()
    for number, (given, connect) in enumerate(rows, 1):
        name = "" if given is None else str(given)
        reason = _refusal(name, connect, known=name in listed or name in refused)
        if reason:
            # A name that may break lines is not shown.
            shown = name if _NAME.fullmatch(name) else f"row {number}"
            listed.pop(name, None)
            refused[shown] = f"{ini.path}: list_sql: {reason}"
        else:
            listed[name] = str(connect)
    return listed, refused


def _refusal(name: str, connect: object, *, known: bool) -> str:
    """Why a row of the catalogue cannot be used; "" where it can."""
    if not name:
        return "a source needs a name"
    if not _NAME.fullmatch(name):
        return "the name of a source must not contain brackets, line breaks or outer spaces"
    if connect is None:
        return "the connect string is NULL"
    return "the name appears twice" if known else ""
