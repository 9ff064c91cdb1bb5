"""All errors of a mover's file, where `load_mover` stops at the first one."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from queue_mover.config import inifile, loading, parameters, queue_names, sources
from queue_mover.config.inifile import IniFile
from queue_mover.config.schema import Group, Parameter
from queue_mover.config.shaping_parameters import SHAPING
from queue_mover.errors import ConfigError

_EXPRESSIONS = {parameter.name for parameter in SHAPING.parameters}


@dataclass(frozen=True, slots=True)
class BadValue:
    """A value that cannot be used."""

    text: str
    source: str
    """The source whose section it is in; empty: the main section."""
    key: str
    is_optional: bool
    """Whether a default can replace it."""


def bad_values(path: Path, overrides: Mapping[str, str]) -> tuple[list[BadValue], list[str]]:
    """All values that cannot be used, and the names of the sources that the file has sections for.

    Raises ConfigError where the file cannot be parsed.
    """
    ini = inifile.read(path, loading.SECTIONS, overrides, parameters.TWINS)
    of_source = parameters.source(ini.main)
    found = list(_in_section(ini, ini.main, parameters.SERVICE, ""))
    if ini.has_section(sources.CATALOGUE):
        found += _in_section(ini, sources.CATALOGUE, parameters.CATALOGUE, "")
    sections = _sections(ini)
    if not sections and not ini.has_section(sources.CATALOGUE):
        return _distinct([*found, *_in_section(ini, ini.main, of_source, "")]), []
    main = _in_section(ini, ini.main, of_source, "")
    # An expression may refer to what each source has of its own, such as its name.
    found += [c for c in main if c.is_optional and c.key not in _EXPRESSIONS]
    for name, section in sections.items():
        found += _in_section(ini, section, of_source, name)
    return _distinct(found), list(sections)


def _sections(ini: IniFile) -> dict[str, str]:
    include = ini.get(ini.main, "include") or ""
    files = sources.included(ini, include.replace(",", " ").split())
    found = sources.collect(ini, [file for _, names in files for file in names], None)
    return dict(found.sections)


def _in_section(
    ini: IniFile, section: str, groups: tuple[Group, ...], source: str
) -> Iterator[BadValue]:
    for group in groups:
        for parameter in group.parameters:
            try:
                with queue_names.with_queue(ini, section):
                    loading.parse_value(ini, section, parameter, ini.job_name)
            except ConfigError as error:
                yield BadValue(str(error), source, parameter.name, _is_optional(parameter))


def _is_optional(parameter: Parameter) -> bool:
    return parameter.default is not None


def _distinct(found: Iterable[BadValue]) -> list[BadValue]:
    """Without duplicates: sections inherit the bad values of the main one."""
    main = {_value(c) for c in found if not c.source and c.is_optional}
    kept = [c for c in found if not c.source or _value(c) not in main]
    return list({bad.text: bad for bad in kept}.values())


def _value(bad: BadValue) -> str:
    """The key and what is wrong with its value, without the place."""
    return bad.key + bad.text.rpartition(f"{bad.key}:")[2]
