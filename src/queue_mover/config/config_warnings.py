"""Warnings about a config file."""

import difflib
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from queue_mover.config import parameters, sources
from queue_mover.config.inifile import IniFile
from queue_mover.config.schema import Group
from queue_mover.postgres.conninfo import password

_WORD = re.compile(r"[:\s]")
_UNIT = re.compile(r"_(ms|msecs?|secs?|seconds|mins?|minutes|hours|days|kb|mb|bytes)$")


def world_readable(
    files: Iterable[Path],
    connect_strings: Iterable[tuple[str, str]],
    overrides: Mapping[str, str],
) -> list[str]:
    """A warning about each world-readable file, when there are passwords in them.

    `connect_strings` come with their keys; those of the command line are not in a file.
    """
    given = overrides.values()
    if not any(
        key not in overrides and not any(secret in value for value in given)
        for key, text in connect_strings
        if (secret := password(text)) is not None
    ):
        return []
    return [
        f"{path}: contains a password and is world-readable; remedy: chmod o-r {path}"
        for path in files
        if path.stat().st_mode & stat.S_IROTH
    ]


def relative_paths(path: Path, files: Mapping[str, Path | None]) -> list[str]:
    """A warning about each relative path, by its key, that does not resolve to the config's
    directory: a start from another directory would not find the file."""
    here, there = Path.cwd(), path.absolute().parent.resolve()
    if here.resolve() == there:
        return []
    return [
        f"{path}: {key}: is relative to the current directory: {here / file};"
        f" remedy: {key} = {there / file}, or always start and stop it from {here}"
        for key, file in files.items()
        if file and not file.is_absolute()
    ]


def unknown_keys(ini: IniFile, sections: Iterable[str]) -> list[str]:
    """A warning about each unknown key of a mover's file; `sections`: of its sources."""
    catalogue = parameters.CATALOGUE if ini.has_section(sources.CATALOGUE) else ()
    known = (*parameters.mover(ini.main), *catalogue)
    # --set applies to all sections.
    lines = list(unknown(ini, ini.main, known).values())
    if catalogue:
        lines += unknown(ini, sources.CATALOGUE, known).values()
    inherited = set(ini.keys(ini.main))
    for section in sections:
        found = unknown(ini, section, parameters.source(ini.main))
        lines += [line for key, line in found.items() if key not in inherited]
    return lines


def unknown(
    ini: IniFile, section: str, groups: tuple[Group, ...], retired: Iterable[str] = ()
) -> dict[str, str]:
    """A warning about each unknown key. One that others refer to is a variable; `retired` keys are
    ignored."""
    keys = {parameter.name for group in groups for parameter in group.parameters}
    keys |= {parameter.older for group in groups for parameter in group.parameters}
    known = {*keys, *retired, *parameters.AUTOMATIC, *ini.referred(section)}
    return {
        key: f"{ini.place(section)}: {key}: unknown key" + _suggestion(key, keys)
        for key in ini.keys(section)
        if key not in known
    }


def unknown_sections(ini: IniFile) -> list[str]:
    """A warning about each section whose name is almost that of a source."""
    return [
        f"{ini.path}: [{name}]: unknown section, did you mean [{sources.PREFIX}NAME]?"
        for name in ini.sections("")
        if name != sources.CATALOGUE
        and not name.startswith(sources.PREFIX)
        and difflib.get_close_matches(_WORD.split(name.lower())[0], ["source"], cutoff=0.75)
    ]


def unmatched_patterns(ini: IniFile, included: Iterable[tuple[str, list[Path]]]) -> list[str]:
    """A warning about each pattern of `include` that matches no file."""
    return [
        f"{ini.path}: include: {pattern!r} matches no file"
        for pattern, files in included
        if not files
    ]


def _suggestion(key: str, known: set[str]) -> str:
    """The key that was probably meant, if any. Not for keys of other programs that share the file:
    minutes there must not be taken for seconds here."""
    close = difflib.get_close_matches(key, sorted(known), n=1, cutoff=0.75)
    if not close or _UNIT.findall(close[0]) != _UNIT.findall(key):
        return ""
    return f", did you mean {close[0]}?"
