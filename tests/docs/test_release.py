"""`make release` refuses what is not ready, and tags what is."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.processes import Result, run
from tests.docs.pages import ROOT

ENTRY = (
    "# Changelog\n\n## 1.2.0 (2026-11-01)\n\n### Added\n\n- Something.\n\n## 1.1.0 (2026-01-01)\n"
)
MAKEFILE = "check site test wheel:\n\t@echo made $@\n"


class Project:
    """A small project under version control, with our script."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "scripts").mkdir()
        shutil.copy(ROOT / "scripts" / "release", folder / "scripts" / "release")
        self.write("pyproject.toml", '[project]\nname = "some"\nversion = "1.2.0"\n')
        self.write("src/queue_mover/__init__.py", '__version__ = "1.2.0"\n')
        self.write("CHANGELOG.md", ENTRY)
        self.write("Makefile", MAKEFILE)
        self.git("init", "--quiet")
        self.git("config", "user.name", "Somebody")
        self.git("config", "user.email", "somebody@example.org")
        self.commit()

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def git(self, *words: str) -> str:
        """Run git; what it prints."""
        return run(["git", *words], cwd=self.folder).check().stdout

    def commit(self) -> None:
        """Commit everything."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "Change")

    def release(self) -> Result:
        """Try to make a release."""
        return run([self.folder / "scripts" / "release"], cwd=self.folder)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def changelog(old: str, new: str) -> Callable[[Project], None]:
    """Change the file, and commit it."""

    def change(project: Project) -> None:
        project.write("CHANGELOG.md", ENTRY.replace(old, new))
        project.commit()

    return change


def other_version(project: Project) -> None:
    project.write("src/queue_mover/__init__.py", '__version__ = "1.1.0"\n')
    project.commit()


REFUSALS: dict[str, tuple[Callable[[Project], None], str]] = {
    "no entry": (changelog("1.2.0", "1.1.1"), "CHANGELOG.md does not begin with 1.2.0"),
    "no date": (changelog("2026-11-01", "unreleased"), "1.2.0 has no date but (unreleased)"),
    "a future date": (changelog("2026-11-01", "2999-01-01"), "2999-01-01 is in the future"),
    "no change": (changelog("- Something.", ""), "1.2.0 lists no change"),
    "another version": (other_version, "queue_mover.__version__ is not 1.2.0"),
    "not committed": (
        lambda project: project.write("new.txt", ""),
        "files that are not committed: new.txt",
    ),
    "tagged": (lambda project: void(project.git("tag", "v1.2.0")), "the tag v1.2.0 exists"),
}


def void(_: object) -> None:
    """For lambdas."""


@pytest.mark.parametrize("why", REFUSALS)
def test_what_is_not_ready_is_refused_before_anything_runs(project: Project, why: str) -> None:
    change, message = REFUSALS[why]
    change(project)
    before = project.git("tag")
    refused = project.release()
    assert (refused.returncode, project.git("tag")) == (1, before)
    assert message in refused.stderr
    assert "; remedy: " in refused.stderr
    assert "made " not in refused.stdout


@pytest.mark.parametrize("target", ["check", "site", "test", "wheel"])
def test_a_failure_of_any_step_is_refused(project: Project, target: str) -> None:
    project.write("Makefile", MAKEFILE.replace(f"{target}", "") + f"{target}:\n\t@false\n")
    project.commit()
    refused = project.release()
    assert (refused.returncode, project.git("tag")) == (1, "")
    assert f"make {target} failed" in refused.stderr


def test_a_step_that_changes_a_file_is_refused(project: Project) -> None:
    project.write("Makefile", MAKEFILE + "\t@echo more >> CHANGELOG.md\n")
    project.commit()
    refused = project.release()
    assert (refused.returncode, project.git("tag")) == (1, "")
    assert "not committed: CHANGELOG.md" in refused.stderr


def test_what_is_ready_is_checked_built_and_tagged(project: Project) -> None:
    released = project.release().check()
    lines = [line for line in released.stdout.splitlines() if line.startswith("made ")]
    assert lines == ["made check", "made site", "made test", "made wheel"]
    assert project.git("tag") == "v1.2.0\n"
    assert "git push origin v1.2.0" in released.stdout
