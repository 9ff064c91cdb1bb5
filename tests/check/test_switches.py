"""Which switches go with --check."""

from pathlib import Path

import pytest

from testbed.processes import run, script


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--fix", "job.ini"], "--fix works only with --check; remedy: queue_mover3 --check --fix"),
        (
            ["--json", "job.ini"],
            "--json works only with --check or --status",
        ),
        (["--check", "--reset", "job.ini"], "--reset cannot be used with --check"),
        (["--check", "-d", "job.ini"], "-d cannot be used with --check"),
        (["--check", "-s", "job.ini"], "-s cannot be used with --check"),
        (["--check", "--ini"], "--ini cannot be used with --check"),
        (["--check", "--consumer", "x", "job.ini"], "--consumer works only with a position switch"),
        (["--check"], "need config file"),
    ],
)
def test_senseless_combinations(tmp_path: Path, words: list[str], told: str) -> None:
    result = run([script("queue_mover3"), *words], cwd=tmp_path)
    assert result.returncode in (1, 2)
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def test_help_tells_the_exit_codes() -> None:
    text = " ".join(run([script("queue_mover3"), "--help"]).check().stdout.split())
    assert "0: no problem, 1: some, 2: something could not be checked" in text
