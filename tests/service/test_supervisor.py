"""The main thread has its last word whatever happens to it."""

import logging
from pathlib import Path

import pytest

from queue_mover.config.loading import load_process
from queue_mover.service.job import Job, JobSpec, Plan
from queue_mover.service.supervisor import Supervisor


def no_job() -> Job:
    raise RuntimeError("a defect")


def test_a_defect_in_the_main_thread_is_in_the_log_with_its_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A daemon's stderr leads nowhere: without these lines it would be gone in silence."""
    caplog.set_level(logging.INFO)
    config = tmp_path / "job.ini"
    config.write_text("[queue_mover3]\n")
    settings, *_ = load_process(config, {})
    plan = Plan((JobSpec("", None, settings, no_job),), title="1 source")
    supervisor = Supervisor("a program", lambda _: plan, settings, logging.getLogger("job"))
    # when
    assert supervisor.run() == 1
    # then
    crashed, last = caplog.records[-2:]
    assert crashed.getMessage() == "Job job crashed: a defect"
    assert crashed.exc_info
    assert last.getMessage() == "ended with exit code 1: a defect"
