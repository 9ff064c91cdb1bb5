"""What is wrong with the machine a mover runs on: pure functions over what `host` has read."""

from queue_mover.observation.findings import Code, Finding, Place, Severity
from queue_mover.observation.formatting import counted, size
from queue_mover.observation.host import Host, OwnFile
from queue_mover.system.files import write_remedy

CODES = {"pidfile": Code.PIDFILE_NOT_WRITABLE, "logfile": Code.LOGFILE_NOT_WRITABLE}


def judge_host(host: Host) -> list[Finding]:
    """All findings about it."""
    found = [_open_files(host)]
    for file in host.files:
        found += [_unwritable(file), _disk(file)]
    return [finding for finding in found if finding]


def _open_files(host: Host) -> Finding | None:
    needed = host.needed_files
    if needed <= host.allowed_files:
        return None
    return Finding(
        Code.OPEN_FILES,
        Place(),
        f"{counted(host.sources, 'source')} may need {needed} open files,"
        f" {host.allowed_files:.0f} are allowed",
        f"ulimit -n {needed}, or LimitNOFILE={needed} in the service's unit",
    )


def _unwritable(file: OwnFile) -> Finding | None:
    if not file.refusal:
        return None
    text = f"{file.key}: cannot write {file.path}: {file.refusal}"
    remedy = write_remedy(file.key, file.path, file.number, exists=file.exists)
    return Finding(CODES[file.key], Place(), text, remedy)


def _disk(file: OwnFile) -> Finding | None:
    if file.free is None or file.free >= file.needed:
        return None
    text = f"{file.key}: {size(file.free)} free in {file.path.parent}"
    if file.key == "pidfile":
        return Finding(
            Code.DISK_SPACE, Place(), f"{text}, not even a pidfile fits", "free some space"
        )
    return Finding(
        Code.DISK_SPACE,
        Place(),
        f"{text}, with its rotated files it may take {size(file.needed)}",
        "free some space, or lower log_size or log_count",
        severity=Severity.WARNING,
    )
