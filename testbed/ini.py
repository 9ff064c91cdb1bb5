"""Write config files."""

from collections.abc import Mapping
from pathlib import Path


def ini_text(sections: Mapping[str, Mapping[str, object]]) -> str:
    """The text of a config file."""
    lines: list[str] = []
    for section, settings in sections.items():
        lines += [f"[{section}]", *(f"{key} = {value}" for key, value in settings.items()), ""]
    return "\n".join(lines)


def write_sections(path: Path, sections: Mapping[str, Mapping[str, object]]) -> Path:
    """Write a config file; returns the path."""
    path.write_text(ini_text(sections))
    return path
