"""The pages of the site that are not in docs/, and what the site changes in all of them."""

import posixpath
import re
from pathlib import Path

from manuals import tables

ROOT = Path(__file__).parents[1]
PROJECT = {
    "index.md": "README.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "SECURITY.md": "SECURITY.md",
    "CHANGELOG.md": "CHANGELOG.md",
}
"""Pages of the site by the file that they are made from, besides the manual pages."""

_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]*)(#[^)\s]*)?\)")


def elsewhere() -> dict[str, str]:
    """Each page that is not in docs/, by its name on the site."""
    manuals = {path.name: _manual(path) for path in sorted((ROOT / "man").glob("*.md"))}
    return {name: (ROOT / file).read_text() for name, file in PROJECT.items()} | manuals


def pictures() -> dict[str, Path]:
    """Each picture that a page shows and docs/ has not, by its name on the site."""
    pages = [*(ROOT / "docs").glob("*.md"), *(ROOT / file for file in PROJECT.values())]
    found: dict[str, Path] = {}
    for page in pages:
        for mark, _, target, _ in _LINK.findall(page.read_text()):
            path = (page.parent / target).resolve()
            if mark and path.is_file() and not path.is_relative_to(ROOT / "docs"):
                found[_picture(path.relative_to(ROOT).as_posix())] = path
    return found


def origin(name: str) -> str:
    """The file of a page, relative to the project."""
    return PROJECT.get(name, f"docs/{name}")


def adapted(text: str, file: str) -> str:
    """A page for the site: its links, and lists indented as Python-Markdown wants them."""
    lines: list[str] = []
    fence, shift = "", ""
    for line in text.splitlines():
        blanks = line[: len(line) - len(line.lstrip(" "))]
        body = line.removeprefix(blanks)
        if not fence:
            shift = " " * (4 - len(blanks)) if len(blanks) in (2, 3) else ""
        if fence or body.startswith("```"):
            lines.append(shift + line)
            if body.startswith("```"):
                fence = "" if fence else body
        else:
            lines.append(shift + line if blanks.startswith("    ") else shift + _linked(line, file))
    return "\n".join(lines) + "\n"


def _linked(line: str, file: str) -> str:
    return _LINK.sub(lambda link: _link(link, posixpath.dirname(file)), line)


def _link(link: re.Match[str], folder: str) -> str:
    """A link to a page of the site; the text alone where it leads to another file."""
    mark, words, target, anchor = link[1], link[2], link[3], link[4] or ""
    if not target or re.match(r"[a-z]+:", target):
        return link[0]
    path = posixpath.normpath(posixpath.join(folder, target))
    pages = {file: name for name, file in PROJECT.items()}
    if path.startswith("docs/"):
        return f"{mark}[{words}]({path.removeprefix('docs/')}{anchor})"
    if mark:
        return f"![{words}]({_picture(path)})"
    return f"[{words}]({pages[path]}{anchor})" if path in pages else words


def _picture(path: str) -> str:
    return f"pictures/{path.replace('/', '-')}"


def _manual(path: Path) -> str:
    """A manual page with its name as the title, one level above its sections."""
    title, _, body = tables.filled(path.read_text()).partition("\n")
    name = title.removeprefix("% ").rpartition(" ")[0]
    return f"# {name}\n" + re.sub(r"^(#+ )", r"#\1", body, flags=re.M)
