"""A reload replaces the handlers of the log while other threads write to it."""

import re
import sys
from pathlib import Path

from testbed.processes import run

WRITING = """
import logging, sys, threading
from pathlib import Path
from queue_mover.config.loading import load_process
from queue_mover.system import logs

sys.setswitchinterval(1e-6)
_, settings, _ = load_process(Path(sys.argv[1]), {})
logs.start(settings, logging.INFO, daemon=False)
done = threading.Event()
count = 0

def write():
    global count
    while not done.is_set():
        count += 1
        logging.getLogger("job").info("line %d", count)

thread = threading.Thread(target=write)
thread.start()
for _ in range(300):
    logs.start(settings, logging.INFO, daemon=False)
done.set()
thread.join()
print(count)
"""


def test_no_line_is_lost_or_doubled(tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    config = tmp_path / "job.ini"
    config.write_text(f"[queue_mover3]\nlogfile = {log}\nlog_size = 0\n")
    result = run([sys.executable, "-c", WRITING, config], cwd=tmp_path).check()
    expected = [str(number + 1) for number in range(int(result.stdout))]
    assert re.findall(r"line (\d+)$", log.read_text(), re.MULTILINE) == expected
    assert re.findall(r"line (\d+)$", result.stderr, re.MULTILINE) == expected
