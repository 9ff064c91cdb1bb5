"""The project's pages, and what stands in them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]


def indented_blocks(text: str) -> list[tuple[str, str]]:
    """The blocks that are indented by four blanks, each with the paragraph before it."""
    blocks: list[tuple[str, str]] = []
    prose, block = list[str](), list[str]()
    for line in [*text.splitlines(), "end"]:
        if line.startswith("    ") or (block and not line.strip()):
            block.append(line[4:])
            continue
        if block:
            blocks.append(("\n".join(prose), "\n".join(block).strip()))
            prose, block = [], []
        prose = [*prose, line] if line.strip() else prose
    return blocks


def fenced_blocks(text: str, language: str) -> list[str]:
    """The blocks between fences of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def links(text: str) -> list[str]:
    """Where the page's links lead; code is no link."""
    prose = re.sub(r"^```.*?^```$|^    .*?$|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"\]\(([^)\s]+)\)", prose)


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
