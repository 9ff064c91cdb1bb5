"""Which packages of Debian the tests need."""

from pathlib import Path

import pytest

from testbed import programs


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('ID=debian\nVERSION_ID="12"\n', "15"),
        ('VERSION_ID="13"\nID=debian\n', "17"),
        ("ID=debian\nVERSION_CODENAME=sid\n", "15"),
        (None, "15"),
    ],
    ids=["12", "13", "unknown", "no Debian"],
)
def test_each_debian_has_its_postgresql(
    text: str | None, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = tmp_path / "os-release"
    if text is not None:
        release.write_text(text)
    monkeypatch.setattr(programs, "OS_RELEASE", release)
    assert programs.debian_postgresql() == version
