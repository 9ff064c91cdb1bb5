"""Files that the config names, and what to do where one cannot be used."""

import errno
from pathlib import Path


def is_visible(path: Path) -> bool:
    """Whether a path exists; False also where this user may not search a directory above it."""
    try:
        return path.exists()
    except PermissionError:
        return False


def write_remedy(key: str, path: Path, number: int, *, exists: bool) -> str:
    """What to do about a file that cannot be written. `key`: its key in the config; `number`: the
    errno."""
    folder = path.absolute().parent
    remedy = f"set another {key}"
    if number == errno.ENOENT:
        remedy = f"mkdir -p {folder}"
    elif number in (errno.ENOSPC, errno.EDQUOT):
        remedy = "free disk space"
    elif number in (errno.EACCES, errno.EPERM) and exists:
        remedy = f"run as its owner, or set another {key}"
    elif number in (errno.EACCES, errno.EPERM):
        remedy = f"let this user write in {folder}, or set another {key}"
    return remedy
