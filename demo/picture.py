"""A recording as an animated SVG, which needs no script and no font from elsewhere.

All rows are in one column, which moves up by steps as a terminal scrolls. A cover over the window
uncovers the first rows. A live line is a column of its states in a window of one row. Without
animation (a reader who prefers reduced motion, a program that draws stills) the end is shown.
"""

import unicodedata
from collections.abc import Sequence
from html import escape

from demo.recording import Row, State
from demo.screen import BOLD, DIM, GREEN, RED

COLUMNS, ROWS = 80, 28
"""of the window"""
HOLD = 8.0
"""seconds that the end is shown for, before it starts again"""
NAME = "make demo"
DESCRIPTION = (
    "A terminal that shows the demo: three shards, one mover, a kill, and every event arrives"
)

_FONT = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace"
_WIDTH, _HEIGHT, _BASELINE = 8.4, 19, 14
"""of a character's cell, for a font of 14 px, in px"""
_MARGIN, _BAR = 16, 34
_CLASSES = {BOLD: "b", DIM: "d", GREEN: "g", RED: "r"}

_STYLE = """
.w{fill:#15181f;stroke:#3a404d}.t{fill:#8d95a5}text{fill:#cfd5e1;white-space:pre;font:14px FONT}
.b{fill:#fff;font-weight:bold}.d{fill:#7fb4ff}.g{fill:#5fd38d;font-weight:bold}
.r{fill:#ff7b72;font-weight:bold}
@media (prefers-color-scheme:light){.w{fill:#fbfcfd;stroke:#c4cad4}.t{fill:#5c6573}
text{fill:#2a303b}.b{fill:#000}.d{fill:#0b57b0}.g{fill:#0f7a37}.r{fill:#b3261e}}
.a{animation:SECONDSs step-end infinite}
@media (prefers-reduced-motion:reduce){.a{animation:none}}
"""


def svg(rows: Sequence[Row]) -> str:
    """Draw a recording of at least a row; times are those of its states."""
    seconds = rows[-1][-1].seconds + HOLD
    width, height = COLUMNS * _WIDTH, ROWS * _HEIGHT
    shown = [(row[0].seconds, number) for number, row in enumerate(rows, 1)]
    scrolled = [(at, _HEIGHT * (ROWS - number)) for at, number in shown if number >= ROWS]
    uncovered = [(at, _HEIGHT * number) for at, number in shown if number <= ROWS]
    tracks = {"s": [(0.0, 0), *scrolled], "c": uncovered}
    lines = []
    for number, row in enumerate(rows):
        if len(row) > 1:
            tracks[f"l{number}"] = [(s.seconds, -_HEIGHT * n) for n, s in enumerate(row)]
        lines += _row(number, row)
    style = _STYLE.replace("FONT", _FONT).replace("SECONDS", f"{seconds:.2f}")
    style += "".join(_keyframes(name, track, seconds) for name, track in tracks.items())
    return "\n".join(
        (
            *_window(width + 2 * _MARGIN, height + _BAR + _MARGIN),
            f"<style>{style}</style>",
            f'<svg x="{_MARGIN}" y="{_BAR}" width="{width:g}" height="{height}">',
            _moving("s", tracks["s"][-1][1]),
            *lines,
            "</g>",
            _moving("c", height),
            f'<rect class="w" stroke-width="0" width="{width:g}" height="{height}"/></g>',
            "</svg>",
            "</svg>\n",
        )
    )


def _window(width: float, height: float) -> list[str]:
    """The beginning of the file: title, frame and bar."""
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}"'
        f' width="{width:g}" height="{height:g}" role="img">',
        f"<title>{escape(NAME)}</title><desc>{escape(DESCRIPTION)}</desc>",
        f'<rect class="w" x=".5" y=".5" width="{width - 1:g}" height="{height - 1:g}" rx="8"/>',
        *(f'<circle class="t" cx="{x}" cy="17" r="5" opacity=".5"/>' for x in (20, 38, 56)),
        f'<text class="t" x="{width / 2:g}" y="22" text-anchor="middle">{escape(NAME)}</text>',
    ]


def _row(number: int, row: Row) -> list[str]:
    y = number * _HEIGHT
    if len(row) == 1:
        return [_text(row[0], y)] if row[0].text else []
    return [
        f'<svg y="{y}" width="100%" height="{_HEIGHT}">',
        _moving(f"l{number}", -_HEIGHT * (len(row) - 1)),
        *(_text(state, at * _HEIGHT) for at, state in enumerate(row) if state.text),
        "</g></svg>",
    ]


def _text(state: State, y: int) -> str:
    """One line; its length is given, because fonts differ in the width of a character.

    A wide character comes from another font, or is missing: such a line gets its own length.
    """
    text = state.text
    indent = len(text) - len(text.lstrip())
    marked = "".join(
        f'<tspan class="{_CLASSES[span.style]}">{escape(span.text, quote=False)}</tspan>'
        if span.style
        else escape(span.text, quote=False)
        for span in state.spans
    )
    wide = any(unicodedata.east_asian_width(each) in "WF" for each in text)
    length = "" if wide else f' textLength="{len(text.strip()) * _WIDTH:g}"'
    return f'<text x="{indent * _WIDTH:g}" y="{y + _BASELINE}"{length}>{marked.lstrip()}</text>'


def _moving(name: str, end: int) -> str:
    """The start of a group that moves vertically, and where it is without animation."""
    return f'<g class="a" style="animation-name:{name}" transform="translate(0,{end})">'


def _keyframes(name: str, track: Sequence[tuple[float, int]], seconds: float) -> str:
    """Jumps at the given times."""
    jumps = "".join(
        f"{100 * at / seconds:.3f}%{{transform:translateY({y}px)}}" for at, y in _starting(track)
    )
    return f"@keyframes {name}{{{jumps}100%{{transform:translateY({track[-1][1]}px)}}}}\n"


def _starting(track: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    """With a place from the beginning on."""
    return [(0.0, track[0][1]), *(jump for jump in track if jump[0] > 0)]
