"""A small file system to fill up, if we are allowed to mount one."""

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from testbed.programs import hand_over

SIZE = 192 * 1024 * 1024
SPARE = 16 * 1024
"""Bytes left on a full disk: less than a batch needs."""
_FLAG = "TORTURE_OWN_MOUNTS"


def enter_own_mounts() -> None:
    """Run this program again in its own mount namespace, if possible."""
    if _FLAG in os.environ or os.geteuid() != 0 or not shutil.which("unshare"):
        return
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        return
    os.environ[_FLAG] = "1"
    os.execvp("unshare", ["unshare", "--mount", sys.executable, "-m", "torture", *sys.argv[1:]])


class SmallDisk:
    """A file system in memory, for a tablespace."""

    def __init__(self, mount_point: Path) -> None:
        self.path = mount_point / "space"
        self._mount_point = mount_point
        self._ballast = mount_point / "ballast"

    @classmethod
    def mount(cls, mount_point: Path) -> "SmallDisk | None":
        """Mount one; None if that is not allowed."""
        if _FLAG not in os.environ:
            return None
        mount_point.mkdir()
        argv = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0755", "none", str(mount_point)]
        if subprocess.run(argv, capture_output=True, check=False).returncode:
            return None
        disk = cls(mount_point)
        disk.path.mkdir()
        hand_over(disk.path)
        return disk

    def fill(self) -> None:
        """Fill it up."""
        with self._ballast.open("wb") as file:
            # The server may free or use space meanwhile.
            for _ in range(10):
                state = os.statvfs(self._mount_point)
                free = state.f_bavail * state.f_frsize - SPARE
                if free <= 0:
                    return
                with suppress(OSError):
                    os.posix_fallocate(file.fileno(), 0, file.seek(0, os.SEEK_END) + free)

    def free(self) -> None:
        """Free the space."""
        self._ballast.unlink(missing_ok=True)

    def unmount(self) -> None:
        """Unmount it, in use or not."""
        with suppress(OSError):
            subprocess.run(["umount", "--lazy", str(self._mount_point)], check=False)
