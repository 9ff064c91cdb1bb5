"""A recording of the demo becomes rows, gets a pace, and is drawn."""

import itertools
from collections.abc import Sequence

import pytest

from demo.picture import ROWS, svg
from demo.recording import LIVE_SPEED, LONGEST_WAIT, READING, Recording, Row, paced
from demo.screen import Screen
from tests.demo.drawn import headings, jumps, lines

CLEARED = "\r" + " " * 78 + "\r"


def recorded(*written: tuple[float, str]) -> Recording:
    """What a clock and a screen would have made."""
    times = iter([0.0, *(seconds for seconds, _ in written)])
    recording = Recording(lambda: next(times))
    for _, text in written:
        recording.write(text)
    return recording


def states(rows: Sequence[Row]) -> list[list[str]]:
    return [[state.text for state in row] for row in rows]


WRITTEN = {
    "lines": (["a\nb\n"], [["a"], ["b"]]),
    "a gap": (["a\n", "\n", "b\n"], [["a"], [""], ["b"]]),
    "blank lines at the beginning": (["\n\na\n"], [["a"]]),
    "styles": (["\x1b[1;32mgood\x1b[0m, really\n"], [["good, really"]]),
    "a live line": (["\r 1   ", "\r 2   ", f"{CLEARED} 3\n"], [[" 1", " 2", " 3"]]),
    "a live line that goes": (["a\n", "\r1", f"{CLEARED}\n"], [["a"], ["1", ""]]),
    "lines after a live line": (["\r1", f"{CLEARED}2\na\n"], [["1", "2"], ["a"]]),
    "a line in parts": (["a", "b\n"], [["a", "ab"]]),
}
"""What is written, and the states of the rows that a terminal shows."""


@pytest.mark.parametrize("case", WRITTEN)
def test_rows_are_those_of_a_terminal(case: str) -> None:
    written, expected = WRITTEN[case]
    assert states(recorded(*((0.0, text) for text in written)).rows()) == expected


def test_long_waits_are_shortened_and_each_line_has_its_time() -> None:
    rows = paced(recorded((0.0, "a\nb\n"), (0.5, "c\n"), (3600.0, "d\n")).rows())
    appear = [row[0].seconds for row in rows]
    waits = [after - before for before, after in itertools.pairwise(appear)]
    assert waits == pytest.approx([READING, READING + 0.5, READING + LONGEST_WAIT])


def test_a_live_line_counts_faster_in_fewer_states_and_ends_as_it_did() -> None:
    counting = [(second / 5, f"\r{second}") for second in range(100)]
    (row,) = paced(recorded(*counting, (20.0, f"{CLEARED}done\n")).rows())
    assert (row[0].text, row[-1].text) == ("0", "done")
    assert row[-1].seconds == pytest.approx(20 / LIVE_SPEED)
    assert 20 < len(row) < 50
    numbers = [int(state.text) for state in row[:-1]]
    assert numbers == sorted(numbers)


def test_the_screen_is_recorded_as_a_terminal_until_the_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # given colours that are not wanted, and no terminal
    monkeypatch.setenv("NO_COLOR", "1")
    recording = Recording()
    screen = Screen(recording)
    # when
    screen.act("1. An act")
    screen.live("counting")
    screen.end_recording()
    screen.say("Unseen.")
    # then
    assert states(recording.rows()) == [["1. An act"], [""], ["  counting"]]
    assert headings(svg(recording.rows())) == ["1. An act"]
    assert "Unseen." in capsys.readouterr().out


def test_every_line_is_drawn_in_its_order_and_at_its_time() -> None:
    # given more rows than the window has, a live line among them
    numbered = [(float(second), f"line {second} <&\"'>\n") for second in range(ROWS + 3)]
    rows = recorded(*numbered[:5], (5.0, "\rlive 1"), (5.5, f"{CLEARED}live 2\n"), *numbered[5:])
    # when
    drawn = svg(rows.rows())
    # then
    texts = [text.strip() for _, text in numbered]
    texts[5:5] = ["live 1", "live 2"]
    assert [line.text for line in lines(drawn)] == texts
    moves = jumps(drawn)
    assert set(moves) == {"s", "c", "l5"}
    for track in moves.values():
        times = [at for at, _ in track]
        assert times == sorted(times)
        assert (times[0], times[-1]) == (0.0, 100.0)
    shown = len(rows.rows())
    assert [y for _, y in moves["c"][:-1]] == [19 * row for row in range(1, ROWS + 1)]
    assert moves["s"][-1] == (100.0, -19 * (shown - ROWS))
    assert moves["l5"][-1] == (100.0, -19)


def test_without_animation_the_end_is_shown() -> None:
    drawn = svg(recorded(*((0.0, f"{number}\n") for number in range(ROWS + 3))).rows())
    assert "@media (prefers-reduced-motion:reduce){.a{animation:none}}" in drawn
    ends = {name: track[-1][1] for name, track in jumps(drawn).items()}
    for name, y in ends.items():
        assert f'animation-name:{name}" transform="translate(0,{y})"' in drawn
