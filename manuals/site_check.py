"""`python -m manuals.site_check site`: check a built site.

Nothing may be loaded from another server, and every link within the site must lead somewhere,
anchors included.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADED = {
    ("script", "src"),
    ("img", "src"),
    ("iframe", "src"),
    ("source", "src"),
    ("object", "data"),
    ("embed", "src"),
    ("link", "href"),
    ("use", "href"),
}
"""Attributes whose addresses a browser loads by itself."""
_NOT_LOADED = {"canonical", "next", "prev"}
"""`rel` of links that only describe."""
_IN_STYLES = re.compile(r"""(?:url\(\s*|@import\s+)["']?((?:https?:)?//[^"')\s]+)""")


@dataclass
class Page(HTMLParser):
    """What a page loads, where it links to, and its anchors."""

    text: str
    loaded: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.text)
        self.loaded += _IN_STYLES.findall(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what matters of an element."""
        given = {name: value or "" for name, value in attrs}
        self.anchors.add(given.get("id", ""))
        describes = tag == "link" and set(given.get("rel", "").split()) & _NOT_LOADED
        for name, value in given.items():
            if (tag, name) in _LOADED and not describes:
                self.loaded.append(value)
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if "mermaid" in given.get("class", "").split():
            # The theme would load the program that draws it.
            self.loaded.append("https: mermaid")


def problems(site: Path) -> Iterator[str]:
    """Each problem in a line."""
    pages = {path: Page(path.read_text()) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        name = path.relative_to(site)
        for address in page.loaded:
            if _is_external(address):
                yield f"{name}: loads {address}"
            elif _broken(address, path, pages, site):
                yield f"{name}: loads {address}, which does not exist"
        for link in page.links:
            if not _is_external(link) and _broken(link, path, pages, site):
                yield f"{name}: broken link {link}"
    for path in sorted(site.rglob("*.css")):
        for address in _IN_STYLES.findall(path.read_text()):
            yield f"{path.relative_to(site)}: loads {address}"


def _is_external(address: str) -> bool:
    return bool(re.match(r"https?:|//|mailto:", address))


def _broken(link: str, path: Path, pages: dict[Path, Page], site: Path) -> bool:
    parts = urlsplit(link)
    if parts.scheme:
        return parts.scheme != "data"
    # The page for unknown addresses, shown anywhere, has links from the root.
    folder = site if parts.path.startswith("/") else path.parent
    there = (folder / unquote(parts.path).lstrip("/")).resolve() if parts.path else path
    if there.is_dir():
        there /= "index.html"
    known = pages.get(there)
    if known is None:
        return not there.exists()
    return bool(parts.fragment) and unquote(parts.fragment) not in known.anchors


def main(arguments: list[str]) -> int:
    """Check the folder that is given; 1 if something is wrong."""
    site = Path(arguments[0]).resolve()
    if not (site / "index.html").exists():
        print(f"{site}: no site; remedy: make site")
        return 1
    found = list(problems(site))
    print(
        "\n".join(found) or f"{site}: every link leads somewhere, nothing is loaded from elsewhere"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
