"""What mkdocs calls while it builds the site; see mkdocs.yml."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from manuals import site_pages


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are not in docs/."""
    from mkdocs.structure.files import File  # noqa: PLC0415 - only where mkdocs is installed

    for name, text in site_pages.elsewhere().items():
        files.append(File.generated(config, name, content=text))
    for name, path in site_pages.pictures().items():
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Adapt a page."""
    return site_pages.adapted(markdown, site_pages.origin(page.file.src_uri))
