"""An ini file as text: syntax, interpolation, what older parsers accepted. No meaning yet."""

import configparser
import difflib
import os
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from configparser import ConfigParser, RawConfigParser
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from queue_mover.errors import ConfigError

# Python 2's parser treated a line that begins with this word as a comment.
_REM = re.compile(r"^rem(?=[ \t]|$)", re.IGNORECASE | re.MULTILINE)
_REFERENCE = re.compile(r"%\(([^()]+)\)s|\$\{(?:[^{}:]+:)?([^{}:]+)\}")


@dataclass(frozen=True)
class IniFile:
    """A parsed file; values are interpolated when they are read."""

    path: Path
    parser: ConfigParser
    main: str
    """The section that configures the program."""
    sign: str
    """The first character of a reference to another value; doubled, it is literal."""
    overrides: Mapping[str, str]
    """Values from the command line; they win in every section."""
    twins: Mapping[str, str]
    """For a key, its other spelling."""
    warnings: tuple[str, ...]

    @property
    def job_name(self) -> str:
        """The name of the job where the file sets none."""
        return _job_name(self.path, self.main)

    def sections(self, prefix: str) -> list[str]:
        """The sections whose name begins so, in the order of the file."""
        return [name for name in self.parser.sections() if name.startswith(prefix)]

    def has_section(self, name: str) -> bool:
        """Whether there is such a section."""
        return self.parser.has_section(name)

    def merge(self, path: Path) -> None:
        """Add the sections of another file. Raises ConfigError when one is in both."""
        other = RawConfigParser(**_DIALECT)
        text = _text(path)
        _parse(other, text, path)
        for name in other.sections():
            if self.parser.has_section(name):
                raise ConfigError(f"{path}: [{name}]: also appears in another file")
        _parse(self.parser, text, path)

    def inherit(self, section: str, values: Mapping[str, str]) -> None:
        """Give a section the values it does not set: these, then those of the main section."""
        if not self.parser.has_section(section):
            self.parser.add_section(section)
        mine = set(self.keys(section))
        for key, value in values.items():
            if key not in mine:
                self.parser.set(section, key, value.replace(self.sign, self.sign * 2))
        mine |= set(values)
        for key in self.keys(self.main):
            if key not in mine and self.twins.get(key) not in mine:
                self.parser.set(section, key, self.parser.get(self.main, key, raw=True))
        self.override(section)

    def override(self, section: str) -> None:
        """Put the values from the command line in place. Raises ConfigError."""
        for key, value in self.overrides.items():
            try:
                self.parser.set(section, key, value)
                twin = self.twins.get(key, "")
                # The older spelling wins where both are set.
                if self.parser.has_option(section, twin):
                    self.parser.set(section, twin, value)
            except ValueError:
                raise ConfigError(
                    f"--set {key}: a literal {self.sign} is written {self.sign * 2}"
                ) from None

    @contextmanager
    def replaced(self, section: str, values: Mapping[str, str]) -> Iterator[None]:
        """A context in which a section has these values, taken literally."""
        own = self.keys(section)
        before = {key: self.parser.get(section, key, raw=True) for key in values if key in own}
        for key, value in values.items():
            self.parser.set(section, key, value.replace(self.sign, self.sign * 2))
        try:
            yield
        finally:
            for key in values:
                self.parser.remove_option(section, key)
            for key, value in before.items():
                self.parser.set(section, key, value)

    def keys(self, section: str) -> list[str]:
        """The keys of a section as written there, without those of [DEFAULT]."""
        defaults = self.parser.defaults()
        return [
            key
            for key in self.parser[section]
            if key not in defaults or self.parser.get(section, key, raw=True) != defaults[key]
        ]

    def get(self, section: str, key: str) -> str | None:
        """The value of a key, None where it is not set. Raises ConfigError."""
        try:
            return self.parser.get(section, key, fallback=None)
        except configparser.InterpolationError as error:
            # The parser's own message quotes the value: perhaps a password.
            is_missing = isinstance(error, configparser.InterpolationMissingOptionError)
            raise ConfigError(
                f"{self.place(section)}: {key}: {self._uninterpolated(section, key, is_missing)}"
            ) from None

    def _uninterpolated(self, section: str, key: str, is_missing: bool) -> str:
        """Why a value cannot be interpolated, and the remedy; does not quote the value."""
        referred = _references(self.parser.get(section, key, raw=True))
        reference = "%(name)s" if self.sign == "%" else "${name}"
        literal = f"write {self.sign * 2} for a literal {self.sign}"
        known = list(self.parser[section])
        unknown = referred.difference(known)
        if is_missing and "source" in unknown:
            return (
                "cannot be interpolated: the name of a source is known in [source:NAME] sections"
                " only; remedy: move it there"
            )
        if not is_missing:
            return f"cannot be interpolated; remedy: {literal}; a reference looks like {reference}"
        close = [word for name in unknown for word in difflib.get_close_matches(name, known, 1)]
        hint = f" (did you mean {reference.replace('name', close[0])}?)" if close else ""
        return (
            f"cannot be interpolated: it refers to a key, as in {reference}, that is not set"
            f"{hint}; remedy: add a line name = VALUE to [{section}], or {literal}"
        )

    def place(self, section: str) -> str:
        """The file, and the section unless it is the main one, for messages."""
        return str(self.path) if section == self.main else f"{self.path}: [{section}]"

    def referred(self, section: str) -> set[str]:
        """The keys that other values of the section refer to."""
        values = (self.parser.get(section, key, raw=True) for key in self.parser[section])
        return {name for value in values for name in _references(value)}


def _references(value: str | None) -> set[str]:
    return {(old or new).lower() for old, new in _REFERENCE.findall(value or "")}


def read(
    path: Path,
    sections: Iterable[str],
    overrides: Mapping[str, str],
    twins: Mapping[str, str] | None = None,
    hints: Mapping[str, str] | None = None,
) -> IniFile:
    """Read a file. `sections` are the names its main section may have, in order of preference;
    `overrides` replace values; `twins` are other spellings of keys; `hints`: by the main section
    of another program's file, what to do with that file, {path}.

    Raises ConfigError in one line, naming the file.
    """
    text = _text(path)
    raw = RawConfigParser(**_DIALECT)
    _parse(raw, text, path)
    names = list(sections)
    main = next((name for name in names if raw.has_section(name)), None)
    if main is None:
        found = (text for section, text in (hints or {}).items() if raw.has_section(section))
        hint = next((f"; {text.format(path=path)}" for text in found), "")
        raise ConfigError(f"{path}: no section [{names[0]}]{hint}")
    version = overrides.get("config_format") or raw.get(main, "config_format", fallback="1")
    if version not in _INTERPOLATION:
        raise ConfigError(f"{path}: config_format: must be 1 or 2, not {version!r}")
    parser = ConfigParser(interpolation=_INTERPOLATION[version](), **_DIALECT)
    _parse(parser, text, path)
    sign = "$" if version == "2" else "%"
    for key, value in _automatic(path, main, sign).items():
        if not parser.has_option(main, key):
            parser.set(main, key, value)
    ini = IniFile(path, parser, main, sign, overrides, twins or {}, tuple(_duplicates(text, path)))
    ini.override(main)
    return ini


def of_values(name: str, values: Mapping[str, str], twins: Mapping[str, str]) -> IniFile:
    """What a file with these values, taken literally, would be. `name`: for messages."""
    main = "arguments"
    parser = ConfigParser(**_DIALECT)
    parser.add_section(main)
    for key, value in values.items():
        parser.set(main, key, value.replace("%", "%%"))
    return IniFile(Path(name), parser, main, "%", {}, twins, ())


# Python 2's parser allowed duplicate keys and cut "; comment" off a value.
_DIALECT: dict[str, Any] = {"strict": False, "inline_comment_prefixes": (";",)}

_INTERPOLATION = {
    "1": configparser.BasicInterpolation,
    "2": configparser.ExtendedInterpolation,
}


def _text(path: Path) -> str:
    try:
        # Old files may hold comments in any encoding.
        text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except FileNotFoundError:
        raise ConfigError(f"Config file not found: {path}") from None
    except OSError as error:
        raise ConfigError(f"Config file not readable: {path}: {error.strerror}") from None
    return _REM.sub("#rem", text)


def _parse(parser: RawConfigParser, text: str, path: Path) -> None:
    # Its messages quote whole lines; only the line number is safe to show.
    try:
        parser.read_string(text, source=str(path))
    except configparser.MissingSectionHeaderError as error:
        raise ConfigError(f"{path}: line {error.lineno}: before any [section]") from None
    except configparser.ParsingError as error:
        line = error.errors[0][0] if error.errors else "?"
        raise ConfigError(f"{path}: line {line}: not of the form key = value") from None


def _duplicates(text: str, path: Path) -> list[str]:
    """A line about each duplicate key and section."""
    lines, notes = text.split("\n"), list[str]()
    while True:
        strict = RawConfigParser(**{**_DIALECT, "strict": True})
        try:
            strict.read_string("\n".join(lines))
        except configparser.DuplicateOptionError as error:
            what, number = f"{error.option} appears twice, the last one wins", error.lineno
        except configparser.DuplicateSectionError as error:
            what, number = f"[{error.section}] appears twice", error.lineno
        else:
            return notes
        notes.append(f"{path}: line {number}: {what}")
        # The parser stops at the first duplicate: remove it to find the next.
        lines[(number or 1) - 1] = ""


def _job_name(path: Path, main: str) -> str:
    # Skytools 2 named a job after its section, Skytools 3 after its file: another name would be
    # another consumer, which starts at the newest tick.
    return main if main in ("queue_mover", "queue_splitter") else path.stem


def _automatic(path: Path, main: str, sign: str) -> dict[str, str]:
    values = {
        "job_name": _job_name(path, main),
        "service_name": main,
        "host_name": socket.gethostname(),
        "config_dir": os.path.dirname(path),  # noqa: PTH120 - "" for a bare name, as in Skytools
        "config_file": str(path),
    }
    return {key: value.replace(sign, sign * 2) for key, value in values.items()}
