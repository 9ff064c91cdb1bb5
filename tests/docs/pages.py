"""The project's pages, and what stands in them."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
MANUALS = sorted((ROOT / "man").glob("*.md"))
"""The sources of the manual pages."""
PAGES = [
    README,
    *(ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *MANUALS,
]


@dataclass(frozen=True, slots=True)
class Block:
    """Indented by four blanks, or between fences; `before` is the paragraph before it."""

    text: str
    before: str
    language: str = ""

    @property
    def first(self) -> str:
        """Its first line."""
        return self.text.partition("\n")[0]

    @property
    def is_ini(self) -> bool:
        """Whether it is a config file, or a part of one."""
        return self.language == "ini" or (not self.language and self.text.startswith("["))

    @property
    def is_shell(self) -> bool:
        """Whether a reader would enter it in a shell."""
        return self.language in ("sh", "bash") or (not self.language and not self.is_ini)


def blocks(text: str) -> list[Block]:
    """A page's blocks, in order."""
    found: list[Block] = []
    prose, block, fence = list[str](), list[str](), ""
    for line in [*text.splitlines(), "end"]:
        if fence:
            if line == "```":
                found.append(Block("\n".join(block), "\n".join(prose), fence[3:]))
                prose, block, fence = [], [], ""
            else:
                block.append(line)
        elif line.startswith("    ") or (block and not line.strip()):
            block.append(line[4:])
        else:
            if block:
                found.append(Block("\n".join(block).strip(), _paragraph(prose)))
                prose, block = [], []
            if line.startswith("```"):
                fence, prose = line, [_paragraph(prose)]
            else:
                prose.append(line)
    return found


def _paragraph(lines: list[str]) -> str:
    return "\n".join(lines).strip().rpartition("\n\n")[2]


def inline_code(text: str) -> list[str]:
    """What stands between single backticks, outside blocks."""
    prose = re.sub(r"^```.*?^```$|^    .*?$", "", text, flags=re.MULTILINE | re.DOTALL)
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose)]


def links(text: str) -> list[str]:
    """Where the page's links lead; code is no link."""
    prose = re.sub(r"^```.*?^```$|^    .*?$|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"\]\(([^)\s]+)\)", prose)


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
