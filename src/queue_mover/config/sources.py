"""Which sources a file names: its sections, those of other files, those a database lists."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from glob import glob
from pathlib import Path
from typing import Any

from queue_mover.config.inifile import IniFile
from queue_mover.db import Database
from queue_mover.errors import ConfigError, StatementError, UnknownSourceError

PREFIX = "source:"
CATALOGUE = "sources"


def included(ini: IniFile, include: Sequence[str]) -> list[tuple[str, list[Path]]]:
    """The files that each pattern of `include` names, relative to the folder of the main one.

    Raises ConfigError where a name without wildcards is not a file's.
    """
    folder = ini.path.absolute().parent
    files = []
    for pattern in include:
        names = sorted(glob(pattern, root_dir=folder))  # noqa: PTH207 - may be absolute
        if not names and not set(pattern) & set("*?["):
            raise ConfigError(f"{ini.path}: include: no file {str(folder / pattern)!r}")
        files.append((pattern, [folder / name for name in names]))
    return files


def collect(
    ini: IniFile, files: Iterable[Path], catalogue: Mapping[str, Any] | None
) -> dict[str, str]:
    """The section of each source, by its name; every section complete with what it inherits.

    `files` may bring more sections.

    A section may be there for a source that the catalogue lists, to override its values.
    Raises ConfigError; UnavailableError when the catalogue cannot be reached.
    """
    for path in files:
        ini.merge(path)
    listed = _listed(ini, catalogue) if catalogue else {}
    written = {section.removeprefix(PREFIX).strip(): section for section in ini.sections(PREFIX)}
    sections = {}
    for name in dict.fromkeys([*written, *listed]):
        if not name:
            raise ConfigError(f"{ini.path}: [{PREFIX}]: a source needs a name")
        section = sections[name] = written.get(name, f"{PREFIX}{name}")
        connect = {"src_db": listed[name]} if name in listed else {}
        ini.inherit(section, {"source": name, **connect})
    if catalogue and not sections:
        raise ConfigError(f"{ini.path}: list_sql: finds no sources, and the file has none")
    return sections


def choose(sections: Mapping[str, str], wanted: Sequence[str]) -> list[tuple[str, str]]:
    """The sources whose names match one of the patterns; all where there are no patterns.

    Raises UnknownSourceError when a pattern matches none.
    """
    for pattern in wanted:
        if not any(fnmatchcase(name, pattern) for name in sections):
            known = ", ".join(sections) or "none"
            raise UnknownSourceError(f"--source {pattern}: no such source; the file has: {known}")
    return [
        (name, section)
        for name, section in sections.items()
        if not wanted or any(fnmatchcase(name, pattern) for pattern in wanted)
    ]


def _listed(ini: IniFile, catalogue: Mapping[str, Any]) -> dict[str, str]:
    database = Database("catalogue", catalogue["list_db"], "queue_mover3")
    try:
        with database.session() as connection:
            rows = connection.execute(catalogue["list_sql"].encode()).fetchall()
    except StatementError as error:
        raise ConfigError(f"{ini.path}: list_sql: {error}") from error
    finally:
        database.close()
    if any(len(row) != 2 or None in row for row in rows):
        raise ConfigError(
            f"{ini.path}: list_sql: its rows are not (name, connect string) without NULLs"
        )
    listed = {str(name): str(connect) for name, connect in rows}
    if len(listed) < len(rows):
        raise ConfigError(f"{ini.path}: list_sql: returns a name twice")
    return listed
