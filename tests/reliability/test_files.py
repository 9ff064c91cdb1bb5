"""Files that are not what they seem."""

from pathlib import Path

import pytest

from tests.moving.pair import Pair


@pytest.mark.parametrize("key", ["pidfile", "logfile"])
def test_a_file_is_not_written_through_a_strangers_link(
    pair: Pair, tmp_path: Path, key: str
) -> None:
    """The original appends its log to whatever a stranger's link in /tmp leads to."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    precious = tmp_path / "precious"
    precious.write_text("precious")
    link = shared / "link"
    link.symlink_to(precious)
    result = pair.command(loop_delay=0, **{key: link})
    assert result.returncode == 1
    assert "a symbolic link" in result.stderr
    assert precious.read_text() == "precious"


def test_in_a_folder_of_our_own_the_log_file_may_be_a_link(pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "mover.log").symlink_to(tmp_path / "elsewhere.log")
    pair.produce(1, label="logged")
    pair.command(loop_delay=0, logfile=tmp_path / "mover.log").check()
    assert "{count: 1, " in (tmp_path / "elsewhere.log").read_text()
