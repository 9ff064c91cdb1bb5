"""The JSON of `queue_mover3 --check`; docs/check-json.md describes it, and a test compares both.

Within a version keys are added, never renamed, removed, or given another meaning.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from queue_mover.observation.inspection import CheckLine, Inspection
from queue_mover.observation.repair import Repair, Repaired
from queue_mover.reporting.document import Object, finding_object

VERSION = 1


def check_text(
    inspection: Inspection, config: Path, todo: Sequence[Repair], done: Sequence[Repaired]
) -> str:
    """One JSON document about all checks. `todo`: what --fix would do; `done`: what it has done."""
    repairs = [
        *(_repair(each.repair, made=not each.error, error=each.error) for each in done),
        *(_repair(each, made=False) for each in todo),
    ]
    document = {
        "version": VERSION,
        "generated": datetime.now(UTC).isoformat(timespec="seconds"),
        "exit_code": inspection.exit_code,
        "config": str(config),
        "checks": [_check(line) for line in inspection.lines],
        "repairs": repairs,
    }
    return json.dumps(document, indent=2, allow_nan=False)


def _check(line: CheckLine) -> Object:
    return {
        "topic": line.topic,
        "source": line.source or None,
        "result": line.result.value,
        "note": line.note,
        "findings": [finding_object(finding) for finding in line.findings],
    }


def _repair(repair: Repair, *, made: bool, error: str = "") -> Object:
    return {
        "kind": repair.kind.value,
        "source": repair.found.status.mover.source or None,
        "text": repair.text,
        "made": made,
        "error": error or None,
    }
