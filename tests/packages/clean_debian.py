"""A Debian in a directory, made by scripts/clean-debian, that a test changes and inspects."""

import shlex
import subprocess
from pathlib import Path

CHANGING = (
    *("/proc", "/sys", "/dev", "/tmp", "/run", "/root", "/var/cache", "/var/log", "/var/lib/apt"),
    *("/var/lib/dpkg", "/var/lib/postgresql", "/etc/postgresql", "/etc/passwd-", "/etc/group-"),
    *("/etc/shadow-", "/etc/gshadow-", "/etc/ssl"),
)
"""What apt and PostgreSQL change by themselves; /var/log/queue_mover3 is looked at apart."""


class Debian:
    """A directory with a Debian in it."""

    def __init__(self, folder: Path, server: int) -> None:
        """`server`: PostgreSQL's version."""
        self.folder = folder
        self.server = server

    def run(self, script: str, *, user: str = "root") -> str:
        """What a script of bash prints. It must not fail."""
        into = shlex.quote(str(self.folder))
        mounts = (
            f"mount -t proc proc {into}/proc; mkdir -p {into}/dev/shm;"
            f" mount -t tmpfs tmpfs {into}/dev/shm; exec chroot {into} "
        )
        path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
        inner = ["env", "-i", path, "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"]
        as_user = ["runuser", "-u", user, "--"]
        inner = [*inner, *(as_user if user != "root" else []), "bash", "-euo", "pipefail", "-c"]
        done = subprocess.run(
            [
                *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
                *("sh", "-ec", mounts + shlex.join([*inner, script])),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def state(self) -> tuple[set[str], dict[str, str]]:
        """All files, and who has an account."""
        pruned = " -o ".join(f"-path {path}" for path in CHANGING)
        files = self.run(
            f"find / -xdev \\( {pruned} \\) -prune -o -print; find /var/log -name 'queue*'"
        )
        accounts = {
            name: (self.folder / "etc" / name).read_text()
            for name in ("passwd", "group", "shadow", "gshadow")
        }
        return set(files.splitlines()), accounts
