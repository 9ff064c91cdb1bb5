"""Markdown becomes roff."""

import pytest

from manuals import roff

HEAD = "% name(1) 2026-01-02\n"


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("# NAME\n\nwords\nmore", [".SH NAME", "words more"]),
        ("## Some -d", [r".SS Some \-d"]),
        ("one\n\ntwo", ["one", ".PP", "two"]),
        ("# A\n\n- one\n- two", [".SH A", r".IP \(bu 4", "one", r".IP \(bu 4", "two"]),
        ("# A\n\n1. one", [".SH A", ".IP 1. 4", "one"]),
        ("# A\n\n**key**\n:   what it\n    means", [".SH A", ".TP", r"\fBkey\fR", "what it means"]),
        ("# A\n\n```ini\n.a = '~'\n\nb\n```\n\nend",
         [".SH A", ".PP", ".RS 4", ".EX", r"\&.a = \(aq\(ti\(aq", "", "b", ".EE", ".RE",
          ".PP", "end"]),
        ("# A\n\n`a-b` *c* **d**", [".SH A", r"\fBa\-b\fR \fIc\fR \fBd\fR"]),
        ("# A\n\na_\\* and \\*, \\\\ \\`", [".SH A", r"a_* and *, \e \(ga"]),
        ("# A\n\n.hidden", [".SH A", r"\&.hidden"]),
    ],
)  # fmt: skip
def test_each_form(markdown: str, expected: list[str]) -> None:
    lines = roff.page(HEAD + markdown, "queue_mover 1").splitlines()
    assert lines == ['.TH NAME 1 "2026-01-02" "queue_mover 1"', *expected]


def test_no_line_of_a_paragraph_is_long() -> None:
    page = roff.page(f"{HEAD}# A\n\n{'**word** it-is ' * 100}", "")
    assert max(map(len, page.splitlines())) <= 80


def test_a_page_needs_its_title() -> None:
    with pytest.raises(roff.PageError, match="first line"):
        roff.page("# NAME\n", "")
