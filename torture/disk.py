"""A small file system that can be filled, where the system lets us mount one."""

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from testbed.programs import hand_over

SIZE = 192 * 1024 * 1024
SPARE = 16 * 1024
"""Bytes left when it is full: less than a batch needs."""
_FLAG = "TORTURE_OWN_MOUNTS"


def enter_own_mounts() -> None:
    """Run this program again where its mounts are its own, and end with it."""
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
        """Mount one; None where that is not allowed."""
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
        """Leave next to nothing."""
        with self._ballast.open("wb") as file:
            # A server may be quicker in using what is free.
            for _ in range(10):
                state = os.statvfs(self._mount_point)
                free = state.f_bavail * state.f_frsize - SPARE
                if free <= 0:
                    return
                with suppress(OSError):
                    os.posix_fallocate(file.fileno(), 0, file.seek(0, os.SEEK_END) + free)

    def free(self) -> None:
        """Give the space back."""
        self._ballast.unlink(missing_ok=True)

    def unmount(self) -> None:
        """Take it away, in use or not."""
        with suppress(OSError):
            subprocess.run(["umount", "--lazy", str(self._mount_point)], check=False)
