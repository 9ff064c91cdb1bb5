"""The settings of a mover in another program: from a config file, from arguments, or from both."""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path

from queue_mover.config import inifile, loading, parameters
from queue_mover.config.settings import MoverSettings
from queue_mover.errors import ConfigError
from queue_mover.library.parameters import NAMES

Config = str | os.PathLike[str]

WHO = "Mover()"
"""Begins the messages about arguments, where others begin with the file's name."""


def load(
    config: Config | None, source: str, arguments: Mapping[str, object]
) -> tuple[MoverSettings, tuple[str, ...]]:
    """The settings of the one mover, and warnings about the file.

    `source`: a section of the file; "": its only one. The arguments replace values of the file, and
    are literal: a % in them refers to nothing.

    Raises ConfigError; UnavailableError when a database that lists the sources cannot be reached.
    """
    values = _texts(arguments)
    if config is None:
        if source:
            raise ConfigError(f"{WHO}: source: there is no config file; remedy: name the file")
        return _without_file(values), ()
    path = Path(config)
    sign = inifile.read(path, loading.SECTIONS, {}).sign
    literal = {key: value.replace(sign, sign * 2) for key, value in values.items()}
    settings = loading.load_mover(path, literal, [source] if source else ())
    for name, why in settings.refused.items():
        raise ConfigError(f"{name}: {why}" if name else why)
    if len(settings.movers) != 1:
        names = ", ".join(mover.source for mover in settings.movers)
        raise ConfigError(f"{path}: it has several sources: {names}; remedy: Mover(CONFIG, NAME)")
    return settings.movers[0], settings.warnings


def _without_file(values: Mapping[str, str]) -> MoverSettings:
    """All from the arguments."""
    name = values.get("consumer_name") or values.get("job_name")
    if not name:
        # There is no file whose name it could be.
        raise ConfigError(
            f"{WHO}: consumer_name: missing; it is the consumer on the source queue, and key of"
            " the position on the target"
        )
    ini = inifile.of_values(WHO, {"job_name": name, **values}, parameters.TWINS)
    return loading.read_mover(ini, ini.main, "")


def _texts(arguments: Mapping[str, object]) -> dict[str, str]:
    """The arguments as a file has them."""
    texts = {}
    for name, value in arguments.items():
        if name not in NAMES:
            close = difflib.get_close_matches(name, NAMES, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise ConfigError(f"{WHO}: {name}: no such parameter of a mover{hint}")
        if not isinstance(value, str | int | float):
            raise ConfigError(f"{WHO}: {name}: not a string, number or bool")
        texts[name] = str(int(value)) if isinstance(value, bool) else str(value)
    return texts
