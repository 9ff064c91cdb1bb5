"""A log file that is not what it seems."""

from pathlib import Path

from tests.moving.pair import Pair


def test_a_log_file_is_not_written_through_a_link(pair: Pair, tmp_path: Path) -> None:
    """The original appends to whatever a stranger's link in /tmp leads to."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (shared / "mover.log").symlink_to(precious)
    result = pair.command(loop_delay=0, logfile=shared / "mover.log")
    assert result.returncode == 1
    assert "a symbolic link" in result.stderr
    assert precious.read_text() == "precious"
    # in a folder of our own it is our link
    (tmp_path / "mover.log").symlink_to(precious)
    pair.produce(1, label="logged")
    pair.command(loop_delay=0, logfile=tmp_path / "mover.log").check()
    assert precious.read_text() != "precious"
