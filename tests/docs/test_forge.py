"""What a public forge does with the project: its workflow, its forms."""

import re
import tomllib

from testbed import programs
from tests.docs.pages import README, ROOT, blocks

FORGE = ROOT / ".github"
WORKFLOW = (FORGE / "workflows" / "tests.yml").read_text()


def matrix(key: str) -> list[str]:
    """The values of a matrix."""
    (found,) = re.findall(rf"^ +{key}: \[(.*)\]$", WORKFLOW, re.MULTILINE)
    return [value.strip('"') for value in found.split(", ")]


def jobs() -> dict[str, str]:
    """The text of each job."""
    parts = re.split(r"^  (\w+):\n", WORKFLOW.partition("\njobs:\n")[2], flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_workflow_calls_the_two_commands_of_the_readme() -> None:
    first = blocks(README.read_text())[0].text.splitlines()
    commands = [line.partition("#")[0].strip() for line in first]
    assert commands == ["make demo", "make test"]
    for name in ("debian", "python"):
        runs = re.findall(r"^ +- run: (make \w+)", jobs()[name], re.MULTILINE)
        assert runs == commands


def test_the_workflow_has_every_debian_and_python_that_is_supported() -> None:
    assert matrix("debian") == list(programs.VERSIONS)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f">={matrix('python')[0]}" == project["requires-python"]
    assert matrix("python") == ["3.11", "3.12", "3.13", "3.14"]


def test_a_bare_debian_can_check_the_project_out() -> None:
    """By HTTPS, which git needs certificates for."""
    for name, job in jobs().items():
        if "debian:" in job:
            before = job.partition("uses: actions/checkout")[0]
            assert re.search(r"apt-get install .* git ca-certificates make\b", before), name


def test_whoever_reports_a_bug_must_give_the_output_of_check() -> None:
    form = (FORGE / "ISSUE_TEMPLATE" / "bug.yml").read_text()
    field = form.partition("id: check")[2].partition("- type:")[0]
    assert "queue_mover3 --check CONFIG" in field
    assert "required: true" in field
    assert "blank_issues_enabled: false" in (FORGE / "ISSUE_TEMPLATE" / "config.yml").read_text()
