"""SQL expressions in an ini file, with references to other values in them.

A value of the program's own keys, such as the name of a source, may come from a catalogue. Within
quotes it must stay a literal, so quotes in it are doubled. Variables of the file itself are
inserted as they are: they may be SQL.
"""

import re
from collections.abc import Iterator

from queue_mover.config import kinds, parameters
from queue_mover.config.inifile import IniFile
from queue_mover.errors import ConfigError

_CONNECT_STRINGS = ("src_db", "dst_db", "list_db")
_SCRATCH = "scratch of queue_mover"
_REFERENCE = re.compile(r"[%$][({](?:[^(){}:]+:)?([^(){}:]+)[)}]")


def expression(ini: IniFile, section: str, key: str) -> str | None:
    """The value of a key that is an SQL expression; None: it is not set. Raises ConfigError."""
    plain = ini.get(section, key)
    referred = _referred(ini, section, key)
    if plain is None or not referred:
        return plain
    if secret := [name for name in _CONNECT_STRINGS if name in referred]:
        raise ConfigError(
            f"{ini.place(section)}: {key}: refers to {secret[0]}, which may contain a password;"
            " remedy: refer to another key, such as source or job_name"
        )
    found = ((name, ini.get(section, name)) for name in sorted(referred & _own_keys()))
    values = {name: value for name, value in found if value}
    if bad := [name for name, value in values.items() if "\\" in value]:
        raise ConfigError(
            f"{ini.place(section)}: {key}: refers to {bad[0]}, whose value has a backslash in it,"
            " which may end an SQL literal; remedy: write the value out"
        )
    quoted = {name: value.replace("'", "''") for name, value in values.items() if "'" in value}
    return _interpolated(ini, section, key, quoted) if quoted else plain


def _own_keys() -> set[str]:
    """The keys whose values are text, not SQL."""
    known = [each for group in parameters.MOVER for each in group.parameters]
    texts = [each for each in known if each.kind is not kinds.SQL]
    return {each.name for each in texts} | {each.older for each in texts} | {*parameters.AUTOMATIC}


def _referred(ini: IniFile, section: str, key: str) -> set[str]:
    """The keys that a value refers to, directly or through others."""
    seen = set[str]()
    waiting = [key]
    while waiting:
        new = set(_references(ini, section, waiting.pop())) - seen
        seen |= new
        waiting += new
    return seen


def _references(ini: IniFile, section: str, key: str) -> Iterator[str]:
    raw = ini.parser.get(section, key, raw=True, fallback="") or ""
    literal = raw.replace(ini.sign * 2, "")
    return (name.lower() for name in _REFERENCE.findall(literal))


def _interpolated(ini: IniFile, section: str, key: str, values: dict[str, str]) -> str:
    """The value of a key as it would be in a section with these values."""
    parser = ini.parser
    parser.add_section(_SCRATCH)
    try:
        for name in parser[section]:
            parser.set(_SCRATCH, name, parser.get(section, name, raw=True))
        for name, value in values.items():
            parser.set(_SCRATCH, name, value.replace(ini.sign, ini.sign * 2))
        return parser.get(_SCRATCH, key)
    finally:
        parser.remove_section(_SCRATCH)
