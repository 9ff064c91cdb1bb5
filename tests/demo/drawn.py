"""What a picture of the demo shows."""

import re
from dataclasses import dataclass
from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True)
class Line:
    """One line of text; of a live line, one of its states."""

    text: str
    style: str
    """The class of its first span."""
    columns: int
    """How many characters it reaches to the right."""


def lines(svg: str) -> list[Line]:
    """The lines in their order; fails unless the text is well-formed."""
    (window,) = ElementTree.fromstring(svg).findall(f"{SVG}svg")
    return [_line(element) for element in window.iter(f"{SVG}text")]


def _line(element: ElementTree.Element) -> Line:
    text = "".join(element.itertext())
    span = element.find(f"{SVG}tspan")
    style = "" if span is None else span.attrib["class"]
    return Line(text, style, round(float(element.attrib["x"]) / 8.4) + len(text))


def headings(svg: str) -> list[str]:
    """Title and acts."""
    return [line.text for line in lines(svg) if line.style == "b"]


def jumps(svg: str) -> dict[str, list[tuple[float, int]]]:
    """When, in percent of a round, and where to, in px, each part moves."""
    return {
        name: [
            (float(at), int(y))
            for at, y in re.findall(r"([\d.]+)%\{\w+:\w+\((-?\d+)px\)\}", frames)
        ]
        for name, frames in re.findall(r"@keyframes (\w+)\{(.*?\})\}", svg)
    }
