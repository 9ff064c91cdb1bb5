"""The manual pages, from their sources in man/."""

from pathlib import Path

from manuals import roff, tables
from queue_mover import __version__

FOLDER = Path(__file__).parents[1] / "man"


def texts() -> dict[Path, str]:
    """What each generated page has to hold, by its path."""
    return {source.with_suffix(""): text(source) for source in sorted(FOLDER.glob("*.[1-8].md"))}


def text(source: Path) -> str:
    """A page in roff."""
    return roff.page(tables.filled(source.read_text()), f"queue_mover {__version__}")
