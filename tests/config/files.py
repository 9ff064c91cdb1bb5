"""Config files for the specifications of this folder."""

from collections.abc import Iterable
from pathlib import Path

from queue_mover.config.loading import load_mover
from queue_mover.config.settings import MoverSettings, Settings

REQUIRED = {
    "src_db": "dbname=here",
    "dst_db": "dbname=there",
    "queue_name": "from_here",
    "dst_queue_name": "to_here",
}


def lines(*further: str, without: Iterable[str] = ()) -> list[str]:
    """The lines of the required keys, except some, and further ones."""
    left_out = set(without)
    return [
        *(f"{key} = {value}" for key, value in REQUIRED.items() if key not in left_out),
        *further,
    ]


def write(
    directory: Path,
    *further: str,
    without: Iterable[str] = (),
    section: str = "queue_mover3",
    name: str = "mover.ini",
) -> Path:
    """Write a file with the required keys and further lines; its path."""
    path = directory / name
    path.write_text("\n".join([f"[{section}]", *lines(*further, without=without), ""]))
    return path


def load(
    directory: Path,
    *further: str,
    without: Iterable[str] = (),
    section: str = "queue_mover3",
    overrides: dict[str, str] | None = None,
) -> Settings:
    """What the program reads from such a file."""
    path = write(directory, *further, without=without, section=section)
    return load_mover(path, overrides or {})


def only(settings: Settings) -> MoverSettings:
    """The one mover of a file without [source:NAME] sections."""
    (mover,) = settings.movers
    return mover
