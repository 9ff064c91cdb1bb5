"""Markdown to roff: the few forms that the sources of the manual pages use.

Headings, paragraphs, lists (`- ` and `1. `), definitions (a term, then `:   ` and its text), fenced
blocks, and in a line **bold**, *italic* and `code`. Anything else is text.
"""

import re
import textwrap
from collections.abc import Iterator

WIDTH = 78
"""Columns of a line; mandoc complains about more than 80."""

_FENCE = "```"
_INLINE = re.compile(r"\*\*(.+?)\*\*|\*(.+?)\*|`(.+?)`|\\(.)")
_NAMES = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "^": r"\(ha", "~": r"\(ti", "`": r"\(ga"}
"""How roff writes letters that it would change; the first one first."""

_ITEM = re.compile(r"(-|\d+\.) +(.*)", re.DOTALL)
_TITLE = re.compile(r"% ([\w.]+)\((\d)\) (\d{4}-\d\d-\d\d)\n")


class PageError(Exception):
    """A source that is no manual page."""


def page(source: str, footer: str) -> str:
    """A whole page. Its first line is `% NAME(SECTION) DATE`; `footer` names the program."""
    title = _TITLE.match(source)
    if title is None:
        raise PageError("the first line is not: % NAME(SECTION) YYYY-MM-DD")
    name, section, date = title.groups()
    head = f'.TH {name.upper()} {section} "{date}" "{footer}"'
    return "\n".join([head, *_body(source[title.end() :])]) + "\n"


def _body(text: str) -> Iterator[str]:
    after_heading = True
    for block in _blocks(text):
        first, _, rest = block.partition("\n")
        if first.startswith(_FENCE):
            yield from _example(rest.removesuffix(f"\n{_FENCE}"))
        elif first.startswith("#"):
            level, _, words = first.partition(" ")
            yield f".S{'H' if level == '#' else 'S'} {escape(words)}"
        elif rest.startswith(":   "):
            yield ".TP"
            yield from _filled(first, WIDTH * 10)
            yield from _filled(rest.removeprefix(":   "))
        elif item := _ITEM.fullmatch(block):
            mark = r"\(bu" if item[1] == "-" else item[1]
            yield f".IP {mark} 4"
            yield from _filled(item[2])
        else:
            if not after_heading:
                yield ".PP"
            yield from _filled(block)
        after_heading = first.startswith("#")


def _blocks(text: str) -> Iterator[str]:
    """The blocks of a text. What is indented belongs to the block before it."""
    block = list[str]()
    fenced = False
    for line in text.splitlines():
        ends = not block or not block[-1] or _starts(line) or block[0].startswith(_FENCE)
        if block and ends and not fenced and line and not line.startswith((" ", ":   ")):
            yield "\n".join(block).rstrip()
            block = []
        if line.startswith(_FENCE):
            fenced = not fenced
        if block or line:
            block.append(line)
    if block:
        yield "\n".join(block).rstrip()


def _starts(line: str) -> bool:
    return line.startswith(("#", _FENCE)) or bool(_ITEM.match(line))


def _example(text: str) -> Iterator[str]:
    yield from (".PP", ".RS 4", ".EX")
    yield from (_safe(escape(line)) for line in text.splitlines())
    yield from (".EE", ".RE")


def _filled(text: str, width: int = WIDTH) -> Iterator[str]:
    """Lines of a paragraph. They are broken before their fonts are marked, which adds letters."""
    plain = " ".join(text.split())
    for line in textwrap.wrap(_fonts(plain), width, break_long_words=False, break_on_hyphens=False):
        yield _safe(line)


def _fonts(text: str) -> str:
    done, result = 0, ""
    for found in _INLINE.finditer(text):
        bold, italic, code, literal = found.groups()
        font = "I" if italic else "B"
        words = escape(bold or italic or code or literal)
        result += escape(text[done : found.start()])
        result += words if literal else rf"\f{font}{words}\fR"
        done = found.end()
    return result + escape(text[done:])


def escape(text: str) -> str:
    """Text as it is, in roff."""
    for letter, name in _NAMES.items():
        text = text.replace(letter, name)
    return text


def _safe(line: str) -> str:
    return rf"\&{line}" if line.startswith((".", "'")) else line
